<?php
// Publishes to a channel, with nothing but PHP's own stream wrapper: php publish.php news 'hello'
//
// A request without an answer is sent again with the same Idempotency-Key, and the server stores it once.

declare(strict_types=1);

// Keys are known for 5 minutes: who gives up before never doubles anything.
const PAUSES_MS = [200, 500, 1000, 2000, 4000, 8000, 16000, 30000];

/** The answer's JSON. */
function publish(string $channel, string $text): array
{
    // The segments of a channel's name are percent-encoded; the slashes between them stay.
    $path = implode('/', array_map('rawurlencode', explode('/', $channel)));
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'protocol_version' => 1.1,
        'header' => [
            'Content-Type: text/plain; charset=utf-8',
            'Idempotency-Key: ' . bin2hex(random_bytes(16)),
            'Connection: close',
        ],
        'content' => $text,
        'timeout' => 30,
        // The body of a refusal says what is wrong.
        'ignore_errors' => true,
    ]]);
    $url = (getenv('FANFARE_URL') ?: 'http://127.0.0.1:8000') . "/channels/$path";
    foreach (PAUSES_MS as $pauseMs) {
        $stream = @fopen($url, 'r', false, $context);
        $answer = $stream === false ? '' : (string) stream_get_contents($stream);
        // Without an answer nobody knows whether it was stored: that is what the key is for.
        $lines = $stream === false ? [] : stream_get_meta_data($stream)['wrapper_data'];
        $status = (int) (explode(' ', $lines[0] ?? '')[1] ?? 0);
        $json = json_decode($answer, true);
        if ($status === 201 && is_array($json)) {
            return $json;
        }
        // A server that is busy or goes down says 429 or 503; what else is wrong stays wrong.
        if ($status >= 400 && $status !== 429 && $status !== 503) {
            fwrite(STDERR, "refused: $answer\n");
            exit(1);
        }
        fwrite(STDERR, "again in $pauseMs ms\n");
        usleep($pauseMs * 1000);
    }
    fwrite(STDERR, "gave up\n");
    exit(1);
}

if ($argc !== 3) {
    fwrite(STDERR, "usage: php publish.php CHANNEL MESSAGE\n");
    exit(2);
}
echo json_encode(publish($argv[1], $argv[2])), "\n";
