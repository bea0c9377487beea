use super::*;

/// A history of all kinds of calls, as text.
fn history(seed: u64) -> String {
    let mut settings = Settings {
        seed,
        ..Settings::default()
    };
    settings.limits = Limits {
        control: false,
        ..Limits::service()
    };
    settings.empty_pages_per_million = 300_000;
    settings.durations.update_stream_ms = 700;
    let mut engine = engine_of(4, settings);
    let request = UpdateStreamModeRequest {
        stream: StreamAddress::arn(stream_arn()),
        stream_mode: Some("ON_DEMAND".to_owned()),
        warm_throughput_mibps: None,
    };
    let mut told = Vec::new();
    told.push(format!("{:?}", scale(&mut engine, 6, START)));
    told.push(format!("{:?}", engine.update_stream_mode(request, START + 1_000)));
    let strategy = UpdateRecordDistributionStrategyRequest {
        stream: StreamAddress::arn(stream_arn()),
        strategy: Some("AUTO".to_owned()),
    };
    told.push(format!(
        "{:?}",
        engine.update_stream_record_distribution_strategy(strategy, START + 2_000)
    ));
    engine.faults_mut().add(Fault {
        when: When {
            per_million: 100_000,
            ..When::default()
        },
        ..Fault::always(Effect::RefuseEntry(ServiceError::internal_failure()))
    });
    for step in 0..200 {
        let now = START + 2_000 + step * 13;
        let entries = (0..5)
            .map(|number| entry("k", format!("{step}/{number}")))
            .collect();
        told.push(format!("{:?}", put_all(&mut engine, entries, now)));
        let listed = engine.list_shards(
            ListShardsRequest {
                stream: here(),
                ..Default::default()
            },
            now,
        );
        told.push(format!("{listed:?}"));
        let iterator = engine.get_shard_iterator(iterator_request(step % 4 + 5, "TRIM_HORIZON"), now);
        told.push(format!("{iterator:?}"));
        if let Ok(made) = iterator {
            told.push(format!(
                "{:?}",
                engine.get_records(get_request(&made.shard_iterator, Some(3)), now)
            ));
        }
    }
    told.join("\n")
}

#[test]
fn the_same_seed_and_calls_give_the_same_answers() {
    let once = history(7);
    assert!(
        once.contains("InternalFailure")
            && once.contains("ProvisionedThroughput")
            && once.contains("Record {")
    );
    assert_eq!(once, history(7));
    assert_ne!(once, history(8));
}

#[test]
fn ten_thousand_shards_are_usable() {
    let mut engine = engine(10_000);
    let step = u128::MAX / 9_973;
    let mut hit = std::collections::BTreeSet::new();
    for batch in 0..20 {
        let entries: Vec<_> = (0..500)
            .map(|number| entry_at(step.wrapping_mul(batch * 500 + number), "x"))
            .collect();
        for result in put_all(&mut engine, entries, START).unwrap().records {
            let PutRecordsResult::Stored { shard_id, .. } = result else {
                panic!("refused")
            };
            hit.insert(shard_id);
        }
    }
    assert!(hit.len() > 9_000, "{}", hit.len());
    scale(&mut engine, 5_000, START + 1_000).unwrap();
    assert_eq!(summary(&mut engine, START + 1_000).open_shard_count, 5_000);
}

#[test]
fn time_that_goes_back_stands_still() {
    let mut engine = engine(1);
    let first = put(&mut engine, entry("k", "a"), START + 5_000);
    let second = put(&mut engine, entry("k", "b"), START);
    assert!(first.sequence_number < second.sequence_number);
    let (records, _) = read_shard(&mut engine, 0, 10, START);
    assert!(records[0].arrival_ms <= records[1].arrival_ms);
}
