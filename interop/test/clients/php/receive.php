<?php
// receive.php URL SINCE: prints the lines that carry a publication; connects again with the last cursor. PHP's own stream wrapper.

declare(strict_types=1);

[, $url, $place] = $argv;
$context = stream_context_create(['http' => [
    // Over HTTP/1.1 it would get chunks, and its filter for them waits for 8 KiB before it hands out a line.
    'protocol_version' => 1.0,
    'header' => ['Accept: application/x-ndjson'],
    'timeout' => 40,
    'ignore_errors' => true,
]]);
while (true) {
    $stream = @fopen("$url?since=$place", 'r', false, $context);
    if ($stream !== false) {
        $status = (int) (explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1] ?? 0);
        if ($status !== 200 && $status !== 503) {
            fwrite(STDERR, (string) stream_get_contents($stream));
            exit(1);
        }
        // A line without its end was cut.
        while ($status === 200 && is_string($line = fgets($stream)) && substr($line, -1) === "\n") {
            $message = json_decode($line, true);
            if (isset($message['gap'])) {
                fwrite(STDERR, $line);
                exit(1);
            }
            if (isset($message['offset'])) {
                echo $line;
            }
            $place = $message['cursor'] ?? $place;
        }
        fclose($stream);
    }
    usleep(100_000);
}
