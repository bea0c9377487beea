//! The named scenarios.

use std::path::PathBuf;
use std::time::Duration;

use kinesis_local::{Fault, Latency};
use kpl::{Ordering, ProducerConfig, RateLimit};

use super::events::Source;
use super::resharder::Resharding;
use super::scenario::{Failures, Load, Promises, SHARD_BYTES_PER_SECOND, Scenario};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// What fits into CI.
    Short,
    /// What the documentation reports.
    Full,
}

/// What scenarios are made for.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How much is put.
    pub length: Length,
    /// A file of flights, for the scenarios on real events; made up without.
    pub flights: Option<PathBuf>,
    /// What is kept when something fails; each key's order is only promised with [`Ordering::PerKey`].
    pub ordering: Ordering,
}

impl Setting {
    /// All scenarios, in the order in which they are told.
    #[must_use]
    pub fn scenarios(&self) -> Vec<Scenario> {
        let mut scenarios = vec![
            self.shard_limit(),
            self.competition(),
            self.outage(),
            self.outage_beyond_ttl(),
            self.latency(),
            self.entries(),
            self.lost_replies(),
            self.lost_long_ago(),
            self.splits(),
            self.storm(),
            self.everything(),
            self.poison(),
            self.pressure(),
            self.shards("shards-4", 4),
            self.shards("shards-64", 64),
            self.shards("shards-1000", 1_000),
            self.low_rate(),
        ];
        for scenario in &mut scenarios {
            scenario.producer = scenario.producer.clone().ordering(self.ordering);
            scenario.promises.disorder = self.ordering != Ordering::PerKey;
        }
        scenarios
    }

    fn shard_limit(&self) -> Scenario {
        let about = "one shard at its limits, nothing goes wrong";
        Scenario {
            shards: 1,
            limits: true,
            promises: Promises {
                goodput: Some(0.97),
                ..Promises::default()
            },
            ..Scenario::new("shard-limit", about, self.flights(100_000, FLIGHTS))
        }
    }

    fn competition(&self) -> Scenario {
        let about = "one shard at its limits, half of them taken by another producer";
        Scenario {
            shards: 1,
            limits: true,
            competitor: Some(SHARD_BYTES_PER_SECOND / 2),
            promises: Promises {
                goodput: Some(0.95),
                throttled: Some(0.02),
                ..Promises::default()
            },
            ..Scenario::new("competition", about, self.flights(200_000, FLIGHTS))
        }
    }

    fn outage(&self) -> Scenario {
        let about = "the endpoint is down for 60 s in the middle; records live longer than that";
        let producer = ProducerConfig::builder()
            .record_ttl(Duration::from_secs(180))
            .max_in_flight_bytes(SMALL_BUDGET);
        Scenario {
            producer,
            faults: vec![outage()],
            ..Scenario::new("outage", about, self.paced(100))
        }
    }

    fn outage_beyond_ttl(&self) -> Scenario {
        let about = "the same; records live for 30 s and fail meanwhile";
        Scenario {
            faults: vec![outage()],
            promises: Promises {
                failures: Failures::Expired,
                ..Promises::default()
            },
            ..Scenario::new("outage-ttl", about, self.paced(100))
        }
    }

    fn latency(&self) -> Scenario {
        let about = "every call takes 2 s longer";
        Scenario {
            faults: vec![Fault::latency(LONG)],
            ..Scenario::new("latency", about, self.paced(60))
        }
    }

    fn entries(&self) -> Scenario {
        let about = "20 % of entries fail, half of them as throttled and half inside the service";
        Scenario {
            faults: failing_entries(),
            ..Scenario::new("entries", about, self.paced(60))
        }
    }

    fn lost_replies(&self) -> Scenario {
        let about = "one reply in ten is lost: the records are stored, the producer cannot know";
        Scenario {
            faults: vec![Fault::reply_lost().operation("PutRecords").chance(0.1)],
            ..Scenario::new("lost-replies", about, self.paced(60))
        }
    }

    fn lost_long_ago(&self) -> Scenario {
        let about =
            "replies are lost, then the stream throttles all for 60 s: nobody may forget what was lost";
        let put = |fault: Fault| fault.operation("PutRecords");
        let lost = put(Fault::reply_lost()).after(Duration::from_millis(4_500));
        let throttled = put(Fault::throttle()).after(Duration::from_secs(5));
        Scenario {
            producer: ProducerConfig::builder().record_ttl(Duration::from_secs(180)),
            faults: vec![
                lost.lasting(Duration::from_millis(500)),
                throttled.lasting(Duration::from_secs(60)),
            ],
            ..Scenario::new("lost-long-ago", about, self.paced(20))
        }
    }

    fn splits(&self) -> Scenario {
        let about = "a shard is split every 5 s, or two merged once there are 12";
        Scenario {
            resharding: Some(EVERY_5_S),
            promises: Promises {
                misplaced: true,
                ..Promises::default()
            },
            ..Scenario::new("splits", about, self.paced(60))
        }
    }

    fn storm(&self) -> Scenario {
        let about =
            "a split or merge every 0.3 s, with shard lists that lag behind and replies that are lost";
        let load = Load {
            source: MADE_UP,
            records: self.by_length(6_000, 60_000),
            per_second: Some(600),
        };
        let resharding = Resharding {
            every: Duration::from_millis(300),
            most_shards: 8,
        };
        Scenario {
            faults: vec![
                Fault::stale_shards(Duration::from_secs(1)).chance(0.3),
                Fault::reply_lost().operation("PutRecords").chance(0.03),
            ],
            resharding: Some(resharding),
            promises: Promises {
                misplaced: true,
                ..Promises::default()
            },
            ..Scenario::new("storm", about, load)
        }
    }

    fn everything(&self) -> Scenario {
        let about =
            "limits, outage, latency, failing entries, lost replies, splits and stale shard lists at once";
        let mut faults = failing_entries();
        faults.extend([
            outage(),
            Fault::latency(LONG).chance(0.5),
            Fault::reply_lost().operation("PutRecords").chance(0.05),
            Fault::stale_shards(Duration::from_secs(3)).chance(0.5),
        ]);
        let producer = ProducerConfig::builder()
            .record_ttl(Duration::from_secs(600))
            .max_in_flight_bytes(SMALL_BUDGET);
        Scenario {
            limits: true,
            producer,
            faults,
            resharding: Some(EVERY_5_S),
            ..Scenario::new("everything", about, self.paced(120))
        }
    }

    fn poison(&self) -> Scenario {
        let about = "the service refuses every request with one record in it, out of 100,000";
        let load = Load {
            source: MADE_UP,
            records: 100_000,
            per_second: Some(20_000),
        };
        Scenario {
            poison: Some(54_321),
            promises: Promises {
                failures: Failures::ThePoison,
                ..Promises::default()
            },
            ..Scenario::new("poison", about, load)
        }
    }

    fn pressure(&self) -> Scenario {
        let about = "the endpoint is down until the default budget is full, and longer";
        let (per_second, down, seconds) = match self.length {
            Length::Short => (20_000, 12, 16),
            Length::Full => (8_000, 120, 130),
        };
        let load = Load {
            source: MADE_UP,
            records: per_second * seconds,
            per_second: Some(per_second as u64),
        };
        let outage = Fault::connection_cut().after(Duration::from_secs(3));
        Scenario {
            producer: ProducerConfig::builder().record_ttl(Duration::from_secs(600)),
            faults: vec![outage.lasting(Duration::from_secs(down))],
            promises: Promises {
                memory: Some(BEYOND_BUDGET),
                ..Promises::default()
            },
            ..Scenario::new("pressure", about, load)
        }
    }

    /// As fast as it goes: what this says of throughput it says in a process of its own.
    fn shards(&self, name: &'static str, shards: u32) -> Scenario {
        let about = "as fast as it goes, without limits";
        let load = Load {
            source: MADE_UP,
            records: self.by_length(20_000, 1_000_000),
            per_second: None,
        };
        Scenario {
            shards,
            producer: ProducerConfig::builder().rate_limit(RateLimit::Unlimited),
            ..Scenario::new(name, about, load)
        }
    }

    fn low_rate(&self) -> Scenario {
        let about = "200 records a second";
        let load = Load {
            source: MADE_UP,
            records: self.by_length(1_000, 4_000),
            per_second: Some(200),
        };
        Scenario {
            latency: Latency::none(),
            promises: Promises {
                // The default linger, and 10 ms.
                p50: Some(Duration::from_millis(110)),
                ..Promises::default()
            },
            ..Scenario::new("low-rate", about, load)
        }
    }

    fn flights(&self, short: usize, full: usize) -> Load {
        Load {
            source: self.flights.clone().map_or(MADE_UP, Source::Flights),
            records: self.by_length(short, full),
            per_second: None,
        }
    }

    fn paced(&self, seconds: usize) -> Load {
        let per_second = self.by_length(300, 2_000);
        Load {
            source: MADE_UP,
            records: seconds * per_second,
            per_second: Some(per_second as u64),
        }
    }

    fn by_length(&self, short: usize, full: usize) -> usize {
        match self.length {
            Length::Short => short,
            Length::Full => full,
        }
    }
}

fn outage() -> Fault {
    Fault::connection_cut()
        .after(Duration::from_secs(20))
        .lasting(Duration::from_secs(60))
}

fn failing_entries() -> Vec<Fault> {
    vec![
        Fault::entries_refused().chance(0.1),
        Fault::entries_refused_with("InternalFailure").chance(0.1),
    ]
}

/// Keys and sizes about as the flights have them.
const MADE_UP: Source = Source::Generated {
    keys: 4_000,
    size: 100,
};
const FLIGHTS: usize = 336_776;
/// Filled by a few seconds of the load, so that an outage shows what is held back.
const SMALL_BUDGET: usize = 4 << 20;
/// What a process may use beyond the budget of records in flight: requests on their way, connections, tickets, and the
/// books of the trial itself.
const BEYOND_BUDGET: u64 = 40 << 20;
const LONG: Duration = Duration::from_secs(2);
const EVERY_5_S: Resharding = Resharding {
    every: Duration::from_secs(5),
    most_shards: 12,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be() {
        for length in [Length::Short, Length::Full] {
            let setting = Setting {
                length,
                flights: None,
                ordering: Ordering::PerKey,
            };
            let scenarios = setting.scenarios();
            for scenario in &scenarios {
                scenario.script(0).expect(scenario.name);
                scenario.producer.clone().build().expect(scenario.name);
                let namesakes = scenarios.iter().filter(|other| other.name == scenario.name);
                assert_eq!(namesakes.count(), 1, "{}", scenario.name);
            }
        }
    }
}
