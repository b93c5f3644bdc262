import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** java Receive.java URL SINCE sse|websocket: prints envelopes as they come; connects again with the last cursor. */
public class Receive {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();
  private static final Pattern CURSOR = Pattern.compile("\"cursor\":\"([^\"]*)\"");
  private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
  private static volatile String place;

  public static void main(String[] args) throws InterruptedException {
    place = args[1];
    while (true) {
      String address = args[0] + "?envelope=1&since=" + place;
      try {
        if (args[2].equals("sse")) events(address);
        else frames(address.replaceFirst("^http", "ws"));
      } catch (IOException | UncheckedIOException | CompletionException cut) {
        System.err.println(cut);
      }
      Thread.sleep(100);
    }
  }

  private static void events(String address) throws IOException, InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(URI.create(address)).header("Accept", "text/event-stream").build();
    HttpResponse<Stream<String>> answer = CLIENT.send(request, BodyHandlers.ofLines());
    if (answer.statusCode() != 200) throw new IllegalStateException("status " + answer.statusCode());
    StringBuilder id = new StringBuilder();
    StringBuilder data = new StringBuilder();
    try (Stream<String> lines = answer.body()) {
      lines.forEach(
          line -> {
            if (line.startsWith("id: ")) id.replace(0, id.length(), line.substring(4));
            else if (line.startsWith("data: ")) data.append(line.substring(6));
            else if (line.isEmpty()) {
              // The empty line ends an event; without it half of one has come, and it doesn't count.
              if (data.length() > 2) OUT.println(data);
              if (id.length() > 0) place = id.toString();
              data.setLength(0);
            }
          });
    }
  }

  private static void frames(String address) {
    CompletableFuture<Void> closed = new CompletableFuture<>();
    CLIENT.newWebSocketBuilder().buildAsync(URI.create(address), new Listener(closed)).join();
    closed.join();
  }

  private static final class Listener implements WebSocket.Listener {
    private final CompletableFuture<Void> closed;
    private final StringBuilder text = new StringBuilder();

    Listener(CompletableFuture<Void> closed) {
      this.closed = closed;
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        Matcher cursor = CURSOR.matcher(text);
        if (!cursor.find()) throw new IllegalStateException("no cursor in " + text);
        OUT.println(text);
        place = cursor.group(1);
        text.setLength(0);
      }
      socket.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
      closed.complete(null);
      return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
      closed.completeExceptionally(error);
    }
  }
}
