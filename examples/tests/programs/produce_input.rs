//! `produce` and what it is fed: each bad line is named, and what came before it is delivered.

use crate::stage::{Stage, run};

/// Name, input, more arguments, what the error must hold, records delivered all the same.
type Case<'a> = (&'a str, &'a [u8], &'a [&'a str], &'a [&'a str], u64);

const KEY_1: &[&str] = &["--key-column", "1"];
const KEY_2: &[&str] = &["--key-column", "2"];
const KEY_3: &[&str] = &["--key-column", "3"];
const HASH_2: &[&str] = &["--key-column", "1", "--explicit-hash-key-column", "2"];

/// Fails unless each case ends as promised, with what came before delivered and nothing failed.
async fn assert_all_give_up(cases: &[Case<'_>]) {
    let stage = Stage::with_shards(2).await;
    for &(name, input, more, parts, delivered) in cases {
        let input = stage.file("in.csv", input);
        let ended = run(&mut stage.produce(&[&["--input", &input], more].concat())).await;
        ended.assert_gave_up(name, parts);
        assert_eq!(ended.records(), delivered, "{name}");
        assert_eq!(ended.summary()["failed"], 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_keys_are_named_and_what_came_before_is_delivered() {
    let long = format!("ok,a\n{},b\n", "k".repeat(257));
    let astral = format!("{},a\n{},b\n", "\u{1F600}".repeat(256), "\u{1F600}".repeat(257));
    assert_all_give_up(&[
        (
            "column",
            b"a,b\n",
            KEY_3,
            &["in.csv line 1", "no column 3", "the line has 2"],
            0,
        ),
        (
            "column later",
            b"a,b\nc,d\ne\n",
            KEY_2,
            &["in.csv line 3", "no column 2", "the line has 1"],
            2,
        ),
        (
            "column below a heading",
            b"h\na\n",
            &[KEY_2, &["--header"]].concat(),
            &["in.csv line 2"],
            0,
        ),
        (
            "empty key",
            b"a,b\n,b\n",
            KEY_1,
            &["in.csv line 2", "key is empty"],
            1,
        ),
        (
            "empty line",
            b"a,b\n\n",
            KEY_1,
            &["in.csv line 2", "key is empty"],
            1,
        ),
        (
            "long key",
            long.as_bytes(),
            KEY_1,
            &["in.csv line 2", "257 characters", "256"],
            1,
        ),
        (
            "long key of astral characters",
            astral.as_bytes(),
            KEY_1,
            &["in.csv line 2", "257 characters", "256"],
            1,
        ),
        (
            "open quote",
            b"a,\"b\nc\",d\n",
            KEY_2,
            &["in.csv line 1", "quote is not closed"],
            0,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_hash_keys_are_named_and_what_came_before_is_delivered() {
    let above = "340282366920938463463374607431768211456";
    let big_hash = format!("a,340282366920938463463374607431768211455\nb,{above}\n");
    assert_all_give_up(&[
        (
            "hash key with a sign",
            b"a,000\nb,007\nc,+7\n",
            HASH_2,
            &["in.csv line 3", "+7", "decimal"],
            2,
        ),
        (
            "negative hash key",
            b"a,1\nb,-1\n",
            HASH_2,
            &["in.csv line 2", "-1", "decimal"],
            1,
        ),
        (
            "hash key",
            b"a,1\nb,0x10\n",
            HASH_2,
            &["in.csv line 2", "0x10", "decimal", "3402823669"],
            1,
        ),
        (
            "big hash key",
            big_hash.as_bytes(),
            HASH_2,
            &["in.csv line 2", above],
            1,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bytes_are_named_and_what_came_before_is_delivered() {
    let big = [b"ok,a\n".as_slice(), &vec![b'x'; 1024 * 1024 + 1], b"\n"].concat();
    let endless = [b"ok,a\nok,b\n".as_slice(), &vec![b'x'; 11 * 1024 * 1024]].concat();
    let (binary, headed) = ([KEY_1, &["--binary"]].concat(), [KEY_1, &["--header"]].concat());
    assert_all_give_up(&[
        ("empty", b"", KEY_1, &["in.csv", "no records"], 0),
        ("only a heading", b"h\n", &headed, &["in.csv", "no records"], 0),
        (
            "not UTF-8",
            b"a,b\ncaf\xe9,b\n",
            KEY_2,
            &["in.csv line 2", "utf-8", "byte 3", "--binary"],
            1,
        ),
        (
            "key not UTF-8",
            b"a\n\xff\n",
            &binary,
            &["in.csv line 2", "column 1"],
            1,
        ),
        (
            "big",
            &big,
            &["--random-keys"],
            &["in.csv line 2", "exceeds the limit", "1048576"],
            1,
        ),
        ("endless", &endless, KEY_1, &["in.csv line 3", "longer than"], 2),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_are_sent_when_asked_for() {
    let stage = Stage::with_shards(2).await;
    let input = stage.file("in.bin", b"a,\xff\xfe\nb,\x00\r\n");
    let ended = run(&mut stage.produce(&["--input", &input, "--key-column", "1", "--binary"])).await;
    ended.assert_done();
    assert_eq!(ended.records(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data_is_data() {
    let stage = Stage::with_shards(2).await;
    let input = stage.file("in.txt", b"\n\na\n");
    let ended = run(&mut stage.produce(&["--input", &input, "--random-keys"])).await;
    ended.assert_done();
    assert_eq!((ended.records(), ended.summary()["bytes"].as_u64()), (3, Some(1)));
}
