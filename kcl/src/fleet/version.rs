//! The state machine from 2.x to 3.x behaviour, `Migration3.0`.

use super::error::FleetError;
use super::state::StateRow;
use crate::lease::CLIENT_VERSION_KEY;

/// Which behaviour a fleet shows (KCL: `ClientVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientVersion {
    /// 2.x behaviour; nothing is written but leases. Never stored.
    Init,
    /// 2.x behaviour, with metrics rows, on the way to 3.x.
    UpgradeFrom2x,
    /// Back in 2.x behaviour.
    TwoX,
    /// 3.x behaviour, and a way back.
    ThreeXWithRollback,
    /// 3.x behaviour for good.
    ThreeX,
}

/// What this worker is told about versions (KCL: `clientVersionConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VersionSetting {
    /// Whatever the fleet is in; a fleet that has agreed on nothing stays as it is. Ours, and the default.
    #[default]
    Follow,
    /// 3.x (KCL: `CLIENT_VERSION_CONFIG_3X`).
    ThreeX,
    /// 2.x until the fleet can do more (KCL: `CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X`).
    CompatibleWith2x,
    /// 2.x, and nothing written that a 2.x worker could not read (KCL: `…_COMPATIBLE_WITH_2X_PHASE1`).
    CompatibleWith2xPhase1,
}

impl ClientVersion {
    /// The stored text; `None` for [`Init`](Self::Init), which is told by the absence of the row.
    #[must_use]
    pub fn stored(self) -> Option<&'static str> {
        match self {
            Self::Init => None,
            Self::UpgradeFrom2x => Some("CLIENT_VERSION_UPGRADE_FROM_2X"),
            Self::TwoX => Some("CLIENT_VERSION_2X"),
            Self::ThreeXWithRollback => Some("CLIENT_VERSION_3X_WITH_ROLLBACK"),
            Self::ThreeX => Some("CLIENT_VERSION_3X"),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.stored().unwrap_or("none")
    }

    /// What a row says.
    ///
    /// # Errors
    /// [`FleetError::UnknownState`] for a value that this version does not know.
    pub fn of_row(row: &StateRow) -> Result<Self, FleetError> {
        let known = [
            Self::UpgradeFrom2x,
            Self::TwoX,
            Self::ThreeXWithRollback,
            Self::ThreeX,
        ];
        let found = known
            .into_iter()
            .find(|version| version.stored() == Some(&row.value));
        found.ok_or_else(|| FleetError::UnknownState {
            row: CLIENT_VERSION_KEY,
            value: row.value.clone(),
        })
    }

    /// The state that a worker with this setting enters, by what is stored.
    ///
    /// Source: KCL 3.x, `MigrationClientVersionStateInitializer`.
    #[must_use]
    pub fn at_start(stored: Option<Self>, setting: VersionSetting) -> Self {
        match (stored, setting) {
            (None, VersionSetting::ThreeX) => Self::ThreeX,
            (None, VersionSetting::CompatibleWith2x) => Self::UpgradeFrom2x,
            (None, VersionSetting::CompatibleWith2xPhase1 | VersionSetting::Follow) => Self::Init,
            (Some(Self::ThreeXWithRollback), VersionSetting::ThreeX) => Self::ThreeX,
            (Some(stored), _) => stored,
        }
    }

    /// Whether a leader assigns leases, and not each worker for itself.
    #[must_use]
    pub fn has_assigner(self) -> bool {
        matches!(self, Self::ThreeXWithRollback | Self::ThreeX)
    }

    /// Whether workers report metrics.
    #[must_use]
    pub fn reports_metrics(self) -> bool {
        matches!(self, Self::UpgradeFrom2x) || self.has_assigner()
    }
}

#[cfg(test)]
mod tests {
    use super::ClientVersion::{Init, ThreeX, ThreeXWithRollback, TwoX, UpgradeFrom2x};
    use super::*;

    /// The table of stored value × setting, column by column.
    #[test]
    fn a_worker_starts_where_the_table_says() {
        let settings = [
            VersionSetting::ThreeX,
            VersionSetting::CompatibleWith2x,
            VersionSetting::CompatibleWith2xPhase1,
            VersionSetting::Follow,
        ];
        let table = [
            (None, [ThreeX, UpgradeFrom2x, Init, Init]),
            (Some(UpgradeFrom2x), [UpgradeFrom2x; 4]),
            (Some(TwoX), [TwoX; 4]),
            (
                Some(ThreeXWithRollback),
                [ThreeX, ThreeXWithRollback, ThreeXWithRollback, ThreeXWithRollback],
            ),
            (Some(ThreeX), [ThreeX; 4]),
        ];
        for (stored, row) in table {
            for (setting, expected) in settings.into_iter().zip(row) {
                assert_eq!(
                    ClientVersion::at_start(stored, setting),
                    expected,
                    "{stored:?} {setting:?}"
                );
            }
        }
    }

    #[test]
    fn each_state_has_its_behaviour() {
        let table = [
            (Init, false, false),
            (UpgradeFrom2x, false, true),
            (TwoX, false, false),
            (ThreeXWithRollback, true, true),
            (ThreeX, true, true),
        ];
        for (version, assigner, metrics) in table {
            assert_eq!(
                (version.has_assigner(), version.reports_metrics()),
                (assigner, metrics),
                "{version:?}"
            );
        }
    }

    #[test]
    fn stored_texts_are_those_of_kcl_and_no_others() {
        let row = |value: &str| StateRow {
            value: value.to_owned(),
            by: "w".to_owned(),
            at_ms: 0,
            history: Vec::new(),
        };
        for version in [UpgradeFrom2x, TwoX, ThreeXWithRollback, ThreeX] {
            assert_eq!(
                ClientVersion::of_row(&row(version.stored().unwrap())),
                Ok(version)
            );
        }
        for unknown in [
            "",
            "CLIENT_VERSION_4X",
            "client_version_3x",
            "CLIENT_VERSION_INIT",
        ] {
            let error = ClientVersion::of_row(&row(unknown)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("row `Migration3.0` says `{unknown}`, which this version does not know")
            );
        }
    }
}
