package toolkit;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.LogManager;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;
import software.amazon.awssdk.utils.AttributeMap;

/**
 * The AWS SDK for Java as applications use it: its own wire format (CBOR), HTTP/2, its own event streams. Writes, reads,
 * splits a shard, reads what follows, and has everything pushed. Ends with 1 and a reason if anything is not as the
 * service would have it.
 */
public final class Client {
    private static final int RECORDS = 300;
    private static final int SHARDS = 2;
    private static final int AFTER_SPLIT = 50;
    private static final Duration SOON = Duration.ofSeconds(30);

    private final KinesisAsyncClient kinesis;
    private final String stream = "java-" + Long.toString(System.nanoTime(), 36);
    private final Map<String, String> written = new HashMap<>();

    private Client(KinesisAsyncClient kinesis) {
        this.kinesis = kinesis;
    }

    public static void main(String[] arguments) {
        if (arguments.length != 1) {
            System.err.println("usage: Client URL");
            System.exit(2);
        }
        // Netty's words on cancelled subscriptions are nobody's concern.
        LogManager.getLogManager().reset();
        var formats = new HashSet<String>();
        try (var kinesis = connect(URI.create(arguments[0]), formats)) {
            new Client(kinesis).run();
            check(formats.contains("application/x-amz-cbor-1.1"), "no CBOR was sent, but " + formats);
        } catch (Exception | AssertionError failure) {
            System.err.println("java client: " + failure);
            System.exit(1);
        }
        System.exit(0);
    }

    /** HTTP/2 in the clear for http, TLS without a look at the certificate for https; the wire format is the SDK's default. */
    private static KinesisAsyncClient connect(URI endpoint, Set<String> formats) {
        var http = NettyNioAsyncHttpClient.builder()
            .protocol(Protocol.HTTP2)
            .maxConcurrency(64)
            .buildWithDefaults(AttributeMap.builder().put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build());
        return KinesisAsyncClient.builder()
            .endpointOverride(endpoint)
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("java", "local")))
            .httpClient(http)
            .overrideConfiguration(settings -> settings.addExecutionInterceptor(new ExecutionInterceptor() {
                @Override
                public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
                    context.httpRequest().firstMatchingHeader("Content-Type").ifPresent(formats::add);
                }
            }))
            .build();
    }

    private void run() throws Exception {
        kinesis.createStream(create -> create.streamName(stream).shardCount(SHARDS)).join();
        untilActive();
        put(0, RECORDS);
        Map<String, String> polled = new HashMap<>();
        for (Shard shard : shards()) {
            read(shard.shardId(), polled);
        }
        check(polled.equals(written), "put " + written.size() + " records and read " + polled.size());
        missingStream();

        polled = reshard();
        String consumer = register();
        var pushed = new HashMap<String, String>();
        List<Shard> shards = shards();
        for (Shard shard : shards) {
            subscribe(consumer, shard.shardId(), pushed);
        }
        check(pushed.equals(written), "put " + written.size() + " records and had " + pushed.size() + " pushed");

        kinesis.deleteStream(delete -> delete.streamName(stream).enforceConsumerDeletion(true)).join();
        System.out.printf("java client: %d records put as CBOR, %d polled, %d pushed from %d shards%n",
            written.size(), polled.size(), pushed.size(), shards.size());
    }

    private void put(int first, int count) {
        var entries = new ArrayList<PutRecordsRequestEntry>();
        for (int i = first; i < first + count; i++) {
            String key = "key-" + i;
            String data = "data of " + i + " \u00e4\u6c34";
            written.put(key, data);
            entries.add(PutRecordsRequestEntry.builder().partitionKey(key).data(SdkBytes.fromUtf8String(data)).build());
        }
        PutRecordsResponse put = kinesis.putRecords(request -> request.streamName(stream).records(entries)).join();
        check(put.failedRecordCount() == 0, put.failedRecordCount() + " records failed");
        check(put.records().stream().allMatch(entry -> entry.sequenceNumber() != null), "a record has no number");
    }

    /** Reads a shard to its tip or its end; a closed one must name its children. */
    private void read(String shard, Map<String, String> into) {
        String iterator = kinesis.getShardIterator(get -> get.streamName(stream).shardId(shard)
            .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).join().shardIterator();
        while (iterator != null) {
            String at = iterator;
            GetRecordsResponse page = kinesis.getRecords(get -> get.shardIterator(at).limit(100)).join();
            page.records().forEach(record -> keep(record, into));
            iterator = page.nextShardIterator();
            if (iterator == null) {
                check(!page.childShards().isEmpty(), shard + " ended without children");
            } else if (page.millisBehindLatest() == 0) {
                return;
            }
        }
    }

    private static void keep(Record record, Map<String, String> into) {
        check(record.approximateArrivalTimestamp() != null, "a record has no time of arrival");
        String before = into.put(record.partitionKey(), record.data().asUtf8String());
        check(before == null, record.partitionKey() + " was read twice");
    }

    private void missingStream() {
        try {
            kinesis.describeStreamSummary(describe -> describe.streamName("missing")).join();
        } catch (java.util.concurrent.CompletionException refused) {
            check(refused.getCause() instanceof ResourceNotFoundException, "a missing stream is " + refused.getCause());
            return;
        }
        throw new AssertionError("a missing stream was described");
    }

    /** Splits the first shard, writes on, reads parent and children by polling. */
    private Map<String, String> reshard() throws Exception {
        Shard first = shards().get(0);
        var end = new java.math.BigInteger(first.hashKeyRange().endingHashKey());
        String middle = end.shiftRight(1).toString();
        kinesis.splitShard(split -> split.streamName(stream).shardToSplit(first.shardId()).newStartingHashKey(middle)).join();
        untilActive();
        put(RECORDS, AFTER_SPLIT);
        List<Shard> all = shards();
        check(all.size() == SHARDS + 2, all.size() + " shards after a split");
        long children = all.stream().filter(shard -> first.shardId().equals(shard.parentShardId())).count();
        check(children == 2, children + " children");
        var polled = new HashMap<String, String>();
        for (Shard shard : all) {
            read(shard.shardId(), polled);
        }
        check(polled.equals(written), "after the split: put " + written.size() + " records and read " + polled.size());
        return polled;
    }

    private String register() throws Exception {
        String arn = kinesis.describeStreamSummary(describe -> describe.streamName(stream)).join()
            .streamDescriptionSummary().streamARN();
        var consumer = kinesis.registerStreamConsumer(register -> register.streamARN(arn).consumerName("java")).join().consumer();
        for (int i = 0; i < 200; i++) {
            var now = kinesis.describeStreamConsumer(describe -> describe.consumerARN(consumer.consumerARN())).join();
            if (now.consumerDescription().consumerStatus() == ConsumerStatus.ACTIVE) {
                return consumer.consumerARN();
            }
            Thread.sleep(50);
        }
        throw new AssertionError("the consumer does not become active");
    }

    /** Has a shard pushed until its end if it is closed, until its tip if it is open. */
    private void subscribe(String consumer, String shard, Map<String, String> into) throws Exception {
        var events = new ConcurrentLinkedQueue<Record>();
        var children = new AtomicReference<List<ChildShard>>(List.of());
        var atTip = new AtomicBoolean();
        var done = new CountDownLatch(1);
        SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
            .subscriber(each -> {
                if (each instanceof SubscribeToShardEvent event) {
                    events.addAll(event.records());
                    if (!event.childShards().isEmpty()) {
                        children.set(event.childShards());
                    }
                    if (event.millisBehindLatest() == 0) {
                        atTip.set(true);
                        done.countDown();
                    }
                }
            })
            .onComplete(done::countDown)
            .onError(failure -> done.countDown())
            .build();
        CompletableFuture<Void> subscription = kinesis.subscribeToShard(request -> request.consumerARN(consumer).shardId(shard)
            .startingPosition(position -> position.type(ShardIteratorType.TRIM_HORIZON)), handler);
        check(done.await(SOON.toSeconds(), TimeUnit.SECONDS), shard + ": nothing is pushed");
        check(!subscription.isCompletedExceptionally(), shard + ": the subscription failed");
        check(atTip.get() || !children.get().isEmpty(), shard + ": the subscription ended before the tip and without children");
        subscription.cancel(true);
        events.forEach(record -> keep(record, into));
    }

    private List<Shard> shards() {
        return kinesis.listShards(list -> list.streamName(stream)).join().shards();
    }

    private void untilActive() throws InterruptedException {
        for (int i = 0; i < 200; i++) {
            var summary = kinesis.describeStreamSummary(describe -> describe.streamName(stream)).join();
            if (summary.streamDescriptionSummary().streamStatus() == StreamStatus.ACTIVE) {
                return;
            }
            Thread.sleep(50);
        }
        throw new AssertionError("the stream does not become active");
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
