<?php
// What the clients in PHP share: checks, and how values are compared.

final class Tap
{
    private static int $count = 0;
    public static string $prefix = '';
    /** @var callable called after a check that failed */
    public static $afterFailure;

    public static function check(string $name, callable $body): void
    {
        $number = ++self::$count;
        $name = self::$prefix . $name;
        try {
            $body();
            echo "ok $number - $name\n";
        } catch (Throwable $error) {
            echo "not ok $number - $name\n";
            $text = get_class($error) . ': ' . $error->getMessage() . "\nline ";
            foreach ([['file' => $error->getFile(), 'line' => $error->getLine()], ...$error->getTrace()] as $frame) {
                if (in_array(basename($frame['file'] ?? ''), ['run', 'schema', 'checks.php'], true)) {
                    $text .= $frame['line'] . ' ';
                }
            }
            echo preg_replace('/^/m', '# ', trim($text)), "\n";
            if (self::$afterFailure) {
                (self::$afterFailure)();
            }
        }
    }

    public static function plan(): void
    {
        echo '1..', self::$count, "\n";
    }
}

/** Equal, and of the same types all the way down. */
function same(mixed $actual, mixed $expected): void
{
    $shape = fn (mixed $value) => var_export($value instanceof DateTimeInterface
        ? get_class($value) . $value->format(' Y-m-d H:i:s.u ') . $value->getTimestamp() : $value, true);
    if ($shape($actual) !== $shape($expected)) {
        throw new UnexpectedValueException('got ' . $shape($actual) . ', expected ' . $shape($expected));
    }
}

function check(string $name, callable $body): void
{
    Tap::check($name, $body);
}

set_error_handler(function (int $number, string $text, string $file, int $line): bool {
    if (!(error_reporting() & $number) || $number & (E_DEPRECATED | E_USER_DEPRECATED)) {
        return true;
    }
    throw new ErrorException($text, 0, $number, $file, $line);
});
