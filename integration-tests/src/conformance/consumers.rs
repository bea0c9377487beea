//! Consumers of enhanced fan-out: registered, found, gone.

use aws_sdk_kinesis::types::{Consumer, ConsumerStatus};

use super::subject::Subject;
use super::violation::{holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "a consumer becomes ACTIVE and its ARN extends the stream's",
        "API Consumer",
        |s| Box::pin(registered(s)),
    ),
    case(
        "a consumer's name is taken once",
        "API RegisterStreamConsumer",
        |s| Box::pin(taken(s)),
    ),
    case("ListStreamConsumers pages", "API ListStreamConsumers", |s| {
        Box::pin(listed(s))
    }),
    case(
        "a consumer that went is not found",
        "API DeregisterStreamConsumer",
        |s| Box::pin(gone(s)),
    ),
    case(
        "a stream with consumers is deleted by force only",
        "API DeleteStream",
        |s| Box::pin(delete(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Consumers", name, source, check)
}

pub(super) async fn register(s: &Subject, name: &str) -> Result<Consumer, Violation> {
    let register = s.client.register_stream_consumer().stream_arn(s.arn().await?);
    let consumer = register.consumer_name(name).send().await?.consumer;
    let consumer = consumer.ok_or(Violation::Missing("Consumer"))?;
    loop {
        let describe = s.client.describe_stream_consumer();
        let answer = describe.consumer_arn(consumer.consumer_arn()).send().await?;
        let now = answer.consumer_description;
        let now = now.ok_or(Violation::Missing("ConsumerDescription"))?;
        if now.consumer_status() == &ConsumerStatus::Active {
            return Ok(consumer);
        }
        s.pause(20).await;
    }
}

async fn registered(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let consumer = register(&s, "billing").await?;
    same("ConsumerName", consumer.consumer_name(), "billing")?;
    let start = format!("{}/consumer/billing:", s.arn().await?);
    let arn = consumer.consumer_arn();
    let time = arn.strip_prefix(&start).and_then(|time| time.parse::<u64>().ok());
    holds(
        "ConsumerARN",
        time.is_some(),
        arn,
        "the stream's, then its name and time",
    )
}

async fn taken(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    register(&s, "billing").await?;
    let again = s.client.register_stream_consumer().stream_arn(s.arn().await?);
    let answer = again.consumer_name("billing").send().await;
    refused("a name that is taken", answer, &["ResourceInUseException"])
}

async fn listed(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for name in ["a", "b", "c"] {
        register(&s, name).await?;
    }
    let arn = s.arn().await?;
    let list = || s.client.list_stream_consumers().stream_arn(&arn).max_results(2);
    let first = list().send().await?;
    let token = first.next_token().ok_or(Violation::Missing("NextToken"))?;
    let second = list().next_token(token).send().await?;
    same(
        "sizes of the pages",
        (first.consumers().len(), second.consumers().len()),
        (2, 1),
    )?;
    let all = first.consumers().iter().chain(second.consumers());
    let mut names: Vec<_> = all.map(Consumer::consumer_name).collect();
    names.sort_unstable();
    same("consumers", names, ["a", "b", "c"])
}

async fn gone(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let consumer = register(&s, "billing").await?;
    let deregister = s.client.deregister_stream_consumer();
    deregister.consumer_arn(consumer.consumer_arn()).send().await?;
    loop {
        let describe = s.client.describe_stream_consumer();
        let answer = describe.consumer_arn(consumer.consumer_arn()).send().await;
        match answer {
            Ok(answer) => {
                let status = answer
                    .consumer_description
                    .map(|consumer| consumer.consumer_status);
                same("ConsumerStatus", status, Some(ConsumerStatus::Deleting))?;
                s.pause(20).await;
            }
            refusal => return refused("a consumer that went", refusal, &["ResourceNotFoundException"]),
        }
    }
}

async fn delete(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    register(&s, "billing").await?;
    let answer = s.client.delete_stream().stream_name(&s.stream).send().await;
    refused(
        "deletion of a stream with a consumer",
        answer,
        &["ResourceInUseException"],
    )?;
    let delete = s.client.delete_stream().stream_name(&s.stream);
    delete.enforce_consumer_deletion(true).send().await?;
    Ok(())
}
