package toolkit;

import java.lang.reflect.InvocationTargetException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A worker of the KCL, as an application writes one: prints a line of JSON for each record, then checkpoints the batch.
 * SIGTERM stops it gracefully. CloudWatch is never called.
 */
public final class Worker {
    private static final long STOP_SECONDS = 20;

    private Worker() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> flags = new HashMap<>();
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            flags.put(arguments[at], arguments[at + 1]);
        }
        String stream = need(flags, "--stream");
        long failover = Long.parseLong(need(flags, "--failover-ms"));
        URI kinesisUrl = URI.create(need(flags, "--endpoint-url"));
        URI dynamoUrl = URI.create(need(flags, "--dynamodb-endpoint-url"));

        Region region = Region.US_EAST_1;
        StaticCredentialsProvider credentials =
                StaticCredentialsProvider.create(AwsBasicCredentials.create("local", "local"));
        KinesisAsyncClient kinesis = KinesisAsyncClient.builder()
                .region(region)
                .credentialsProvider(credentials)
                .endpointOverride(kinesisUrl)
                .httpClientBuilder(NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP1_1))
                .build();
        DynamoDbAsyncClient dynamo = DynamoDbAsyncClient.builder()
                .region(region)
                .credentialsProvider(credentials)
                .endpointOverride(dynamoUrl)
                .build();
        // Nothing listens there: with the metrics factory below nobody asks.
        CloudWatchAsyncClient cloudWatch = CloudWatchAsyncClient.builder()
                .region(region)
                .credentialsProvider(credentials)
                .endpointOverride(URI.create("http://127.0.0.1:9"))
                .build();

        InitialPositionInStreamExtended start =
                InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(stream, start),
                need(flags, "--application"),
                kinesis,
                dynamo,
                cloudWatch,
                flags.getOrDefault("--worker-id", UUID.randomUUID().toString()),
                Printer::new);
        var leases = configs.leaseManagementConfig()
                .failoverTimeMillis(failover)
                // How long it waits after a listing of shards before anything else, a minute by default.
                .shardSyncIntervalMillis(1000)
                .initialPositionInStream(start);
        // 3.x only: how often the leader assigns, and that it rebalances in each of its rounds.
        if (set(leases, "leaseAssignmentIntervalMillis", failover)) {
            Object utilization = leases.getClass()
                    .getMethod("workerUtilizationAwareAssignmentConfig")
                    .invoke(leases);
            set(utilization, "varianceBalancingFrequency", 1);
        }
        var retrieval = configs.retrievalConfig()
                .retrievalSpecificConfig(
                        new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250));
        var coordinator = configs.coordinatorConfig();
        if (flags.containsKey("--client-version")) {
            choose(coordinator, "clientVersionConfig", "CLIENT_VERSION_CONFIG_" + flags.get("--client-version"));
        }
        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(),
                coordinator,
                leases,
                configs.lifecycleConfig(),
                configs.metricsConfig().metricsFactory(new NullMetricsFactory()),
                configs.processorConfig(),
                retrieval);
        if (flags.containsKey("--flip-after-s")) {
            flipAfter(scheduler, Long.parseLong(flags.get("--flip-after-s")));
        }

        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(scheduler)));
        scheduler.run();
    }

    private static void stop(Scheduler scheduler) {
        try {
            boolean clean = scheduler.startGracefulShutdown().get(STOP_SECONDS, TimeUnit.SECONDS);
            System.err.println(clean ? "stopped gracefully" : "stopped, not gracefully");
        } catch (Exception error) {
            System.err.println("stopped, not gracefully: " + error);
        }
    }

    private static String need(Map<String, String> flags, String name) {
        String value = flags.get(name);
        if (value == null) {
            System.err.println("a flag is missing: " + name);
            System.exit(2);
        }
        return value;
    }

    /** Sets what only some versions of the library have; whether this one has it. */
    private static boolean set(Object config, String name, long value)
            throws InvocationTargetException, IllegalAccessException {
        for (var method : config.getClass().getMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == 1) {
                boolean whole = method.getParameterTypes()[0] == int.class;
                method.invoke(config, whole ? (Object) (int) value : (Object) value);
                return true;
            }
        }
        return false;
    }

    /** Sets a setting whose values are names. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void choose(Object config, String name, String value) throws ReflectiveOperationException {
        for (var method : config.getClass().getMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == 1) {
                method.invoke(config, Enum.valueOf((Class<? extends Enum>) method.getParameterTypes()[0], value));
                return;
            }
        }
        throw new NoSuchMethodException(name);
    }

    /**
     * How long a fleet of 2.x has to be ready before it becomes one of 3.x. The library has ten minutes there and no setting:
     * with all else as it is, a play need not last that long.
     */
    private static void flipAfter(Scheduler scheduler, long seconds) throws ReflectiveOperationException {
        var machine = Scheduler.class.getDeclaredField("migrationStateMachine");
        machine.setAccessible(true);
        Object migration = machine.get(scheduler);
        var field = migration.getClass().getDeclaredField("flipTo3XStabilizerTimeInSeconds");
        field.setAccessible(true);
        field.setLong(migration, seconds);
    }

    /** One for each shard. */
    private static final class Printer implements ShardRecordProcessor {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            if (input.records().isEmpty()) {
                return;
            }
            StringBuilder lines = new StringBuilder();
            for (KinesisClientRecord record : input.records()) {
                // The feeder's data are digits: nothing is to be escaped.
                lines.append("{\"shard_id\":\"").append(shard)
                        .append("\",\"sequence_number\":\"").append(record.sequenceNumber())
                        .append("\",\"sub_sequence_number\":").append(record.subSequenceNumber())
                        .append(",\"data\":\"").append(StandardCharsets.UTF_8.decode(record.data()))
                        .append("\"}\n");
            }
            synchronized (System.out) {
                System.out.print(lines);
                System.out.flush();
            }
            checkpoint(input.checkpointer());
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            System.err.println("lease lost: " + shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            checkpoint(input.checkpointer());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(input.checkpointer());
        }

        private void checkpoint(RecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
            } catch (Exception error) {
                // A lease that is lost; what was not checkpointed comes again elsewhere.
                System.err.println("no checkpoint of " + shard + ": " + error);
            }
        }
    }
}
