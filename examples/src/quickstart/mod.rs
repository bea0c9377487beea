//! The program `quickstart`: the whole toolkit at work in one process, and the proof that its promises hold.
//!
//! ```text
//!  tills ──put──> stream "sales" ──┬──> application stock   stock-1 (killed half way), stock-2 (takes over)
//!                 4 shards         └──> application fraud   fraud-1
//!       └── acknowledged ──> Ledger <── delivered ──┘
//! ```

mod application;
mod args;
mod error;
mod goods;
mod sale;
mod tills;
mod verdict;
mod worker;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, StreamName};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::application::{Application, Clerk, Duty, pack};
pub use self::args::QuickstartArgs;
pub use self::error::QuickstartError;
pub use self::goods::{Event, Goods, Lines};
pub use self::sale::{Sale, Sales, is_suspicious, read};
pub use self::tills::{Pause, Tills};
pub use self::verdict::{Outcome, table};
pub use self::worker::{Site, Worker};
use crate::ledger::Numbers;
use crate::progress::{Progress, Unit};
use crate::report::{grouped, say};
use crate::{endpoint::Access, program};

/// Runs the program on this process's arguments.
pub fn main() -> ExitCode {
    let args = QuickstartArgs::parse();
    program::run(THREADS, run(&args))
}

async fn run(args: &QuickstartArgs) -> ExitCode {
    match play(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.failure().exit(),
    }
}

/// The play in five acts.
async fn play(args: &QuickstartArgs) -> Result<(), QuickstartError> {
    let (goods, total) = Goods::open(args).await?;
    let local = Local::start().await?;
    local.create_stream(STREAM, args.shards.get()).await?;
    tell(format_args!(
        "endpoint   Kinesis {}  DynamoDB {}",
        local.kinesis_url(),
        local.dynamodb_url()
    ))?;
    tell(format_args!(
        "stream     {STREAM}, {}",
        counted(args.shards.get() as usize)
    ))?;

    let stock = Arc::new(Application::new("stock", Duty::Stock(BTreeMap::new())));
    let fraud = Arc::new(Application::new("fraud", Duty::Fraud(0)));
    let site = Site {
        kinesis: local.kinesis_url().parse()?,
        dynamodb: local.dynamodb_url().parse()?,
        failover: Duration::from_millis(args.failover_ms),
    };
    let crew = Crew {
        victim: Worker::start(VICTIM, &stock, &site).await?,
        heir: Worker::start(HEIR, &stock, &site).await?,
        fraud: Worker::start(FRAUD, &fraud, &site).await?,
    };
    let crew = crew.settled(&stock, &fraud, args.shards.get() as usize).await?;

    let producer_access = Access::inside(site.kinesis.clone(), site.dynamodb.clone()).await;
    let producer = Producer::new(&producer_access.kinesis(), ProducerConfig::builder().build()?)?;
    let tills = Tills::new(producer, StreamName::new(STREAM)?);
    let progress = Progress::new("sales", Unit::Events(total));
    let start = Instant::now();
    let Crew {
        victim,
        heir,
        fraud: fraud_worker,
    } = crew;
    let business = async {
        let seen = |acknowledged| progress.set(acknowledged);
        let killed = CancellationToken::new();
        // The last quarter comes after the killing, so that the dead worker leaves something undone.
        let pause = Pause {
            after: total - total / 4,
            until: killed.clone(),
        };
        let ring_up = async { Ok((tills.ring_up(goods, pause, seen).await?, start.elapsed())) };
        let half_way = kill_half_way(victim, &stock, total, &killed, &progress);
        let ((put, put_time), take_over) = tokio::try_join!(ring_up, half_way)?;
        wait_for_all(&put, &[&stock, &fraud]).await;
        Ok::<_, QuickstartError>((put, put_time, take_over))
    };
    let (put, put_time, take_over) = tokio::select! {
        done = business => done?,
        never = narrate(&progress, &stock, &fraud) => match never {},
    };
    drop(progress);
    heir.stop().await?;
    fraud_worker.stop().await?;
    local.stop().await;

    let outcomes = [&stock, &fraud].map(|application| Outcome::of(application, &put, start));
    take_over.tell(&stock)?;
    say_result(&outcomes, put.len(), put_time)
}

/// Keeps saying how far the applications are.
async fn narrate(progress: &Progress, stock: &Application, fraud: &Application) -> Infallible {
    loop {
        let (stock, fraud) = (grouped(stock.delivered()), grouped(fraud.delivered()));
        progress.note(format!("put; stock has {stock}, fraud {fraud}"));
        sleep(NARRATE).await;
    }
}

/// The workers.
struct Crew {
    victim: Worker,
    heir: Worker,
    fraud: Worker,
}

impl Crew {
    /// Waits until every shard has a reader in each application, and the stock workers have shared out theirs evenly: a
    /// worker that has nothing could be killed without anybody noticing.
    async fn settled(
        self,
        stock: &Application,
        fraud: &Application,
        shards: usize,
    ) -> Result<Self, QuickstartError> {
        let ready = async {
            loop {
                let (first, second) = (stock.shards_of(VICTIM), stock.shards_of(HEIR));
                let shared = first + second == shards && first.abs_diff(second) <= 1;
                let ended = [&self.victim, &self.heir, &self.fraud]
                    .iter()
                    .any(|worker| worker.has_ended());
                if ended || shared && fraud.shards_of(FRAUD) == shards {
                    return;
                }
                sleep(LOOK).await;
            }
        };
        if timeout(READY_WITHIN, ready).await.is_err() {
            return Err(QuickstartError::NotReady { waited: READY_WITHIN });
        }
        if [&self.victim, &self.heir, &self.fraud]
            .iter()
            .any(|worker| worker.has_ended())
        {
            // A worker ends by itself only when it could not start: stopping brings its reason to light.
            self.victim.stop().await?;
            self.heir.stop().await?;
            self.fraud.stop().await?;
            return Err(QuickstartError::NotReady {
                waited: Duration::ZERO,
            });
        }
        let (first, second) = (stock.shards_of(VICTIM), stock.shards_of(HEIR));
        tell(format_args!(
            "stock      {VICTIM} reads {first} shards, {HEIR} reads {second}"
        ))?;
        tell(format_args!("fraud      {FRAUD} reads {shards} shards"))?;
        Ok(self)
    }
}

/// What the killing came to.
struct TakeOver {
    shards: usize,
    waited: Option<Duration>,
}

impl TakeOver {
    fn tell(&self, stock: &Application) -> Result<(), QuickstartError> {
        match self.waited {
            Some(waited) => {
                let (shards, waited) = (self.shards, waited.as_secs_f64());
                let shards = counted(shards);
                tell(format_args!(
                    "take-over  {HEIR} had {VICTIM}'s {shards} {waited:.1} s later"
                ))
            }
            None => {
                let left = counted(stock.shards_of(VICTIM));
                tell(format_args!("take-over  {HEIR} did not come for {left}"))
            }
        }
    }
}

/// Kills the victim when the stock application has half of the events, and watches its shards go to the heir.
async fn kill_half_way(
    victim: Worker,
    stock: &Application,
    total: u64,
    killed: &CancellationToken,
    progress: &Progress,
) -> Result<TakeOver, QuickstartError> {
    let mut last = (0, Instant::now());
    loop {
        let delivered = stock.delivered();
        if delivered > last.0 {
            last = (delivered, Instant::now());
        }
        // Should nothing come any more the play goes on, to its sad end.
        if delivered >= total.div_ceil(2) || last.1.elapsed() > NOTHING_MORE {
            break;
        }
        sleep(LOOK_CLOSELY).await;
    }
    let shards = stock.shards_of(VICTIM);
    victim.kill();
    killed.cancel();
    let killed = Instant::now();
    progress.aside(|| {
        tell(format_args!(
            "killed     {VICTIM}, after {} events",
            grouped(last.0)
        ))
    })?;
    while killed.elapsed() < TAKE_OVER_WITHIN {
        if stock.shards_of(VICTIM) == 0 {
            return Ok(TakeOver {
                shards,
                waited: Some(killed.elapsed()),
            });
        }
        sleep(LOOK).await;
    }
    Ok(TakeOver { shards, waited: None })
}

/// Waits until each application has everything, or nothing has come for a while.
async fn wait_for_all(put: &Numbers, applications: &[&Arc<Application>]) {
    for application in applications {
        let mut last = (application.delivered(), Instant::now());
        while last.0 < put.len() && last.1.elapsed() < NOTHING_MORE {
            sleep(LOOK).await;
            let delivered = application.delivered();
            if delivered > last.0 {
                last = (delivered, Instant::now());
            }
        }
    }
}

fn say_result(outcomes: &[Outcome], put: u64, put_time: Duration) -> Result<(), QuickstartError> {
    tell(format_args!(""))?;
    tell(format_args!("{}", table(outcomes, put_time, put)))?;
    let lost = outcomes.iter().map(|outcome| outcome.balance.lost).sum();
    let order_breaks = outcomes.iter().map(|outcome| outcome.balance.order_breaks).sum();
    let verdict = match outcomes.iter().all(Outcome::holds) {
        true => "the promises held",
        false => "A PROMISE WAS BROKEN",
    };
    tell(format_args!(
        "lost {}, order breaks {}: {verdict}",
        grouped(lost),
        grouped(order_breaks)
    ))?;
    match outcomes.iter().all(Outcome::holds) {
        true => Ok(()),
        false => Err(QuickstartError::Broken { lost, order_breaks }),
    }
}

fn counted(shards: usize) -> String {
    if shards == 1 {
        "1 shard".to_owned()
    } else {
        format!("{shards} shards")
    }
}

fn tell(line: std::fmt::Arguments<'_>) -> Result<(), QuickstartError> {
    say(&line.to_string()).map_err(QuickstartError::Stdout)
}

/// The stream's name.
pub(crate) const STREAM: &str = "sales";

const VICTIM: &str = "stock-1";
const HEIR: &str = "stock-2";
const FRAUD: &str = "fraud-1";

/// The endpoint and the tills; each worker has a thread of its own.
const THREADS: usize = 2;

/// Between two words on a terminal.
const NARRATE: Duration = Duration::from_millis(100);

/// Between two looks at the books.
const LOOK: Duration = Duration::from_millis(20);

/// Between two looks while waiting for the half.
const LOOK_CLOSELY: Duration = Duration::from_millis(2);

/// Sharing out leases takes a few failover times.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Taking over takes a failover time and a scan.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(20);

/// When nothing has come for so long, nothing more will.
const NOTHING_MORE: Duration = Duration::from_secs(20);
