//! The named scenarios.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use kcl::Retrieval;
use kinesis_local::{Fault, Reshard};

use super::super::catalogue::Length;
use super::super::events::Source;
use super::super::scenario::Load;
use super::batches::Batches;
use super::records::{DEADLINE, Records, is_poison};
use super::scenario::{Act, Promises, Scenario, When, Work};

/// What scenarios are made for.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How much is put.
    pub length: Length,
    /// A file of flights, for the scenarios on real events; made up without.
    pub flights: Option<PathBuf>,
}

impl Setting {
    /// All scenarios, in the order in which they are told.
    #[must_use]
    pub fn scenarios(&self) -> Vec<Scenario> {
        vec![
            self.flights_by_polling(),
            self.flights_by_fan_out(),
            self.flights_by_record(),
            self.half_open(),
            self.hanging(),
            self.slow(),
            self.parallel(),
            self.poison(),
            self.troubles(),
            self.pages(),
        ]
    }

    fn flights_by_polling(&self) -> Scenario {
        let about = "split and merged; one worker killed, one held for 30 s, one stopped, one joins";
        self.turbulent(Scenario::new("flights-polling", about, self.flights()))
    }

    fn flights_by_fan_out(&self) -> Scenario {
        let about = "the same by enhanced fan-out";
        by_fan_out(self.turbulent(Scenario::new("flights-fan-out", about, self.flights())))
    }

    fn flights_by_record(&self) -> Scenario {
        let about = "the same by polling, record by record, 20 ms each, many keys at a time";
        let scenario = self.turbulent(Scenario::new("flights-records", about, self.flights()));
        Scenario {
            work: Work::Records(Records {
                takes: Duration::from_millis(20),
                fails: false,
            }),
            ..scenario
        }
    }

    fn half_open(&self) -> Scenario {
        let about = "subscriptions of one worker fall silent and stay open";
        let silent = Fault::half_open().client("one").after(Duration::from_secs(20));
        let scenario = Scenario {
            faults: vec![silent.times(2)],
            promises: Promises {
                lag: Some(Duration::from_secs(15)),
                told: &["SubscriptionSilent"],
                keeps_leases: true,
                ..Promises::default()
            },
            ..Scenario::new("half-open", about, self.paced(60))
        };
        by_fan_out(scenario.joined_by(&["one", "two"]))
    }

    fn hanging(&self) -> Scenario {
        let about =
            "a processor hangs for ever with a record, at its first attempt; calls are cancelled after 20 s";
        let scenario = Scenario::new("hanging", about, self.paced(60));
        let scenario = Scenario {
            work: Work::Batches(Batches {
                hangs_at: u32::try_from(scenario.load.records / 3).ok(),
                ..Batches::default()
            }),
            consumer: scenario
                .consumer
                .clone()
                .report_calls_after(Duration::from_secs(10))
                .cancel_calls_after(Duration::from_secs(20)),
            promises: Promises {
                named: Some(Duration::from_secs(11)),
                lag: Some(Duration::from_secs(25)),
                told: &["ProcessorCancelled"],
                keeps_leases: true,
                ..Promises::default()
            },
            ..scenario
        };
        scenario.joined_by(&["one", "two"])
    }

    fn slow(&self) -> Scenario {
        let about = "5 s a batch by fan-out, 4 MiB of memory";
        let load = Load {
            source: Source::Generated {
                keys: 1_000,
                size: 10 * 1024,
            },
            records: self.by_length(1_500, 20_000),
            per_second: Some(150),
        };
        let scenario = Scenario {
            shards: 2,
            work: Work::Batches(Batches {
                per_batch: Duration::from_secs(5),
                ..Batches::default()
            }),
            budget: NonZeroUsize::new(4 << 20).expect("not zero"),
            promises: Promises {
                keeps_leases: true,
                subscriptions: Some(20),
                ..Promises::default()
            },
            ..Scenario::new("slow-processor", about, load)
        };
        by_fan_out(scenario.joined_by(&["one"]))
    }

    fn parallel(&self) -> Scenario {
        let about = "100 ms a record, 4,000 keys, 1,000 records/s in one shard";
        let scenario = Scenario {
            shards: 1,
            work: Work::Records(Records {
                takes: Duration::from_millis(100),
                fails: false,
            }),
            promises: Promises {
                lag: Some(FLAT),
                keeps_leases: true,
                ..Promises::default()
            },
            ..Scenario::new("parallel-keys", about, self.thousand_a_second())
        };
        scenario.joined_by(&["one"])
    }

    fn poison(&self) -> Scenario {
        let about = "the same; 5 % of records fail twice and then pass, 0.1 % always fail";
        let load = self.thousand_a_second();
        let poison = (0..load.records).filter_map(|number| u32::try_from(number).ok());
        let dead = poison.filter(|number| is_poison(*number)).count() as u64;
        let scenario = Scenario {
            shards: 1,
            work: Work::Records(Records {
                takes: Duration::from_millis(100),
                fails: true,
            }),
            promises: Promises {
                calm: Some(DEADLINE),
                dead,
                keeps_leases: true,
                ..Promises::default()
            },
            ..Scenario::new("poison", about, load)
        };
        scenario.joined_by(&["one"])
    }

    fn thousand_a_second(&self) -> Load {
        Load {
            source: MADE_UP,
            records: self.by_length(15_000, 120_000),
            per_second: Some(1_000),
        }
    }

    /// What a fleet goes through while the flights come in.
    fn turbulent(&self, scenario: Scenario) -> Scenario {
        let scenario = Scenario {
            // Slow enough that a batch is in hand when its worker dies.
            work: Work::Batches(Batches {
                per_record: Duration::from_micros(200),
                checkpoint_every: 10,
                ..Batches::default()
            }),
            promises: Promises {
                repeats: true,
                lag: Some(TAKEN_OVER),
                ..Promises::default()
            },
            ..scenario
        };
        // The merge takes the upper half of the split shard and its neighbour: keys that moved once move again.
        scenario
            .joined_by(&["one", "two", "three"])
            .cue(
                When::Put(1.0 / 3.0),
                Act::Reshard(Reshard::split("shardId-000000000000")),
            )
            .cue(When::Put(0.4), Act::Kill("one"))
            .cue(When::Put(0.5), Act::Join("four"))
            .cue(When::Put(0.6), Act::Hold("two", HOLD))
            .cue(
                When::Put(2.0 / 3.0),
                Act::Reshard(Reshard::merge("shardId-000000000005", "shardId-000000000001")),
            )
            .cue(When::Put(0.9), Act::Stop("three"))
    }

    fn troubles(&self) -> Scenario {
        let about =
            "throttled and failing reads, iterators that expire, DynamoDB slow, throttled and losing replies";
        let get = |fault: Fault| fault.operation("GetRecords");
        let slow = |fault: Fault| fault.lasting(Duration::from_secs(30));
        let dynamodb = |fault: Fault| fault.table(super::stage::STREAM);
        Scenario {
            faults: vec![
                get(Fault::throttle()).chance(0.2),
                get(Fault::error("InternalFailure", 500)).chance(0.05),
                get(Fault::error("ExpiredIteratorException", 400)).chance(0.05),
                get(Fault::reply_lost()).chance(0.05),
                Fault::reply_lost().conditional().chance(0.05),
                slow(dynamodb(Fault::latency(Duration::from_secs(2)))).after(Duration::from_secs(15)),
                slow(dynamodb(Fault::throttle()))
                    .after(Duration::from_secs(60))
                    .chance(0.7),
            ],
            promises: Promises {
                repeats: true,
                ..Promises::default()
            },
            ..Scenario::new("troubles", about, self.paced(120))
        }
        .joined_by(&["one", "two"])
    }

    fn pages(&self) -> Scenario {
        let about = "pages of 10 MB, all of them there from the start";
        let load = Load {
            source: Source::Generated {
                keys: 1_000,
                size: 10 * 1024,
            },
            records: self.by_length(2_500, 20_000),
            per_second: None,
        };
        let scenario = Scenario {
            shards: match self.length {
                Length::Short => 1,
                Length::Full => 4,
            },
            promises: Promises {
                keeps_leases: true,
                memory: Some(BEYOND_BUDGET),
                ..Promises::default()
            },
            ..Scenario::new("pages", about, load)
        };
        scenario.cue(When::Stored, Act::Join("one"))
    }

    fn flights(&self) -> Load {
        let (records, per_second) = match self.length {
            Length::Short => (20_000, 250),
            Length::Full => (FLIGHTS, 3_000),
        };
        Load {
            source: self.flights.clone().map_or(MADE_UP, Source::Flights),
            records,
            per_second: Some(per_second),
        }
    }

    fn paced(&self, seconds: usize) -> Load {
        let per_second = self.by_length(100, 2_000);
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

fn by_fan_out(scenario: Scenario) -> Scenario {
    Scenario {
        consumer: scenario.consumer.clone().retrieval(Retrieval::FanOut),
        ..scenario
    }
}

/// Keys and sizes about as the flights have them.
const MADE_UP: Source = Source::Generated {
    keys: 4_000,
    size: 100,
};
const FLIGHTS: usize = 336_776;
/// Three times the default failover time.
const HOLD: Duration = Duration::from_secs(30);
/// The default failover time, two seconds more at most, and what reading on and catching up take.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// The pause between two reads at the tip, twice, and a second for the rest.
const FLAT: Duration = Duration::from_secs(3);
/// What a process may use beyond the budget of records read ahead.
const BEYOND_BUDGET: u64 = 50 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be() {
        for length in [Length::Short, Length::Full] {
            let scenarios = Setting {
                length,
                flights: None,
            }
            .scenarios();
            for scenario in &scenarios {
                scenario.script(0).expect(scenario.name);
                scenario.consumer.clone().build().expect(scenario.name);
                let namesakes = scenarios.iter().filter(|other| other.name == scenario.name);
                assert_eq!(namesakes.count(), 1, "{}", scenario.name);
                let mut present = Vec::new();
                for cue in &scenario.cues {
                    match cue.act {
                        Act::Join(worker) => present.push(worker),
                        Act::Kill(worker) | Act::Stop(worker) => {
                            assert!(present.contains(&worker), "{}: {worker}", scenario.name);
                            present.retain(|other| *other != worker);
                        }
                        Act::Hold(worker, _) => assert!(present.contains(&worker), "{}", scenario.name),
                        Act::Reshard(_) => {}
                    }
                }
                assert!(!present.is_empty(), "{}: nobody is left", scenario.name);
            }
        }
    }
}
