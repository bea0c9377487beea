//! Where a worker runs, and so where its processor time is found.

/// What can be seen of the surroundings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// `ECS_CONTAINER_METADATA_URI_V4`.
    pub(crate) ecs_metadata_uri: Option<String>,
    /// Whether there is a Kubernetes service account token.
    pub(crate) kubernetes_token: bool,
    /// Whether `/sys/fs/cgroup/cpu.stat` is there (version 2).
    pub(crate) cgroup2: bool,
    /// Whether `/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage` is there (version 1).
    pub(crate) cgroup1: bool,
    /// Whether the instance metadata service answered: this is EC2.
    pub(crate) instance_metadata: bool,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Platform {
    /// An ECS task: its metadata endpoint.
    Ecs {
        /// Its address.
        uri: String,
    },
    /// A container of Kubernetes: its control group of version 2.
    Cgroup2,
    /// The same, of version 1.
    Cgroup1,
    /// An EC2 instance: the whole host.
    Host,
    /// None that is known: no processor time is reported, and the worker is balanced by throughput.
    Unknown,
}

/// The first that fits, in KCL's order: ECS, EKS, EC2.
#[must_use]
pub(crate) fn detect(seen: &Surroundings) -> Platform {
    match (&seen.ecs_metadata_uri, seen.kubernetes_token) {
        (Some(uri), _) if !uri.is_empty() => Platform::Ecs { uri: uri.clone() },
        (_, true) if seen.cgroup2 => Platform::Cgroup2,
        (_, true) if seen.cgroup1 => Platform::Cgroup1,
        _ if seen.instance_metadata => Platform::Host,
        _ => Platform::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts() {
        let all = Surroundings {
            ecs_metadata_uri: Some("http://169.254.170.2/v4/x".to_owned()),
            kubernetes_token: true,
            cgroup2: true,
            cgroup1: true,
            instance_metadata: true,
        };
        let mut seen = all;
        assert!(matches!(detect(&seen), Platform::Ecs { .. }));
        seen.ecs_metadata_uri = Some(String::new());
        assert_eq!(detect(&seen), Platform::Cgroup2);
        seen.cgroup2 = false;
        assert_eq!(detect(&seen), Platform::Cgroup1);
        seen.cgroup1 = false;
        assert_eq!(detect(&seen), Platform::Host);
        seen.kubernetes_token = false;
        seen.cgroup2 = true;
        assert_eq!(
            detect(&seen),
            Platform::Host,
            "a control group alone is no container"
        );
        seen.instance_metadata = false;
        assert_eq!(detect(&seen), Platform::Unknown);
    }
}
