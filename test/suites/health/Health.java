import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A grpc-java client with health checking, for test/suites/health.py: the counterpart of main.go, with the same
 * arguments, input and output. With grpc-services on the class path round_robin follows grpc.health.v1.Health/Watch.
 */
public final class Health {
  private static final MethodDescriptor.Marshaller<byte[]> BYTES = new MethodDescriptor.Marshaller<>() {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (java.io.IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
  };

  private static Status call(ManagedChannel channel, String method, long milliseconds, boolean wait) {
    MethodDescriptor<byte[], byte[]> descriptor = MethodDescriptor.newBuilder(BYTES, BYTES)
        .setType(MethodDescriptor.MethodType.UNARY).setFullMethodName(method.substring(1)).build();
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(milliseconds, TimeUnit.MILLISECONDS);
    ClientCall<byte[], byte[]> call = channel.newCall(descriptor, wait ? options.withWaitForReady() : options);
    CompletableFuture<Status> end = new CompletableFuture<>();
    call.start(new ClientCall.Listener<byte[]>() {
      @Override
      public void onClose(Status status, Metadata trailers) {
        end.complete(status);
      }
    }, new Metadata());
    call.request(2);
    call.sendMessage(new byte[0]);
    call.halfClose();
    return end.join();
  }

  public static void main(String[] args) throws Exception {
    ManagedChannel channel = NettyChannelBuilder.forTarget(args[0]).usePlaintext()
        .defaultServiceConfig(Map.of("loadBalancingConfig", List.of(Map.of("round_robin", Map.of())),
            "healthCheckConfig", Map.of("serviceName", args[1])))
        .build();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null;) {
      String[] words = line.split(" ");
      System.out.println(call(channel, words[0], Long.parseLong(words[1]), words[2].equals("wait")).getCode());
    }
    channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }
}
