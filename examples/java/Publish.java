import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * Publishes to a channel, with nothing but the JDK (11 or newer): java Publish.java news 'hello'
 *
 * A request without an answer is sent again with the same Idempotency-Key, and the server stores it once.
 */
public class Publish {
  private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
  /** In milliseconds. Keys are known for 5 minutes: who gives up before never doubles anything. */
  private static final long[] PAUSES = {200, 500, 1000, 2000, 4000, 8000, 16000, 30000};

  public static void main(String[] args) throws InterruptedException {
    if (args.length != 2) fail(2, "usage: java Publish.java CHANNEL MESSAGE");
    HttpRequest request =
        HttpRequest.newBuilder(address(args[0]))
            .timeout(Duration.ofSeconds(30))
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .POST(BodyPublishers.ofString(args[1]))
            .build();
    for (long pause : PAUSES) {
      try {
        HttpResponse<String> answer = CLIENT.send(request, BodyHandlers.ofString());
        if (answer.statusCode() == 201) {
          // {"channel":"news","offset":129,"cursor":"...","time":...}: it has its place, and is on the disk.
          System.out.println(answer.body());
          return;
        }
        // A server that is busy or goes down says 429 or 503; what else is wrong stays wrong.
        if (answer.statusCode() != 429 && answer.statusCode() != 503) fail(1, "refused: " + answer.body());
      } catch (IOException cut) {
        // Nobody knows whether it was stored: that is what the key is for.
        System.err.println("again in " + pause + " ms: " + cut);
      }
      Thread.sleep(pause);
    }
    fail(1, "gave up");
  }

  /** The segments of a channel's name are percent-encoded; the slashes between them stay. */
  private static URI address(String channel) {
    String path =
        Arrays.stream(channel.split("/"))
            .map(segment -> URLEncoder.encode(segment, StandardCharsets.UTF_8))
            .collect(Collectors.joining("/"));
    return URI.create(System.getenv().getOrDefault("FANFARE_URL", "http://127.0.0.1:8000") + "/channels/" + path);
  }

  private static void fail(int code, String message) {
    System.err.println(message);
    System.exit(code);
  }
}
