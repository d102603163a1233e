"""What the clients in Python share: the checks, and how values are compared."""

import traceback
import uuid

checks = []


def check(name):
    """Makes the decorated function a check: it passes unless it raises."""

    def register(function):
        checks.append((name, function))

    return register


def same(actual, expected):
    """Equal, and of the same types all the way down."""

    def shape(value):
        if isinstance(value, (list, tuple)):
            return ["list" if isinstance(value, list) else "tuple"] + [shape(item) for item in value]
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items()}
        if isinstance(value, memoryview):
            value = bytes(value)
        # asyncpg has a subclass of its own
        kind = "UUID" if isinstance(value, uuid.UUID) else type(value).__name__
        return (kind, "NaN" if value != value else value)

    if shape(actual) != shape(expected):
        raise AssertionError(f"got {actual!r}, expected {expected!r}")


def report(number, name, error=None):
    if error is None:
        print(f"ok {number} - {name}", flush=True)
        return
    print(f"not ok {number} - {name}")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(("run", "schema", "_checks.py"))]
    places = ", ".join(str(frame.lineno) for frame in frames)
    for line in f"{type(error).__name__}: {error}\nlines {places}".splitlines()[:30]:
        print("#", line, flush=True)


class Runner:
    """Runs all checks, several times if wanted, and numbers them."""

    def __init__(self):
        self.number = 0

    def run(self, prefix="", passed=lambda: None, failed=lambda: None):
        for name, function in checks:
            self.number += 1
            try:
                function()
                passed()
                report(self.number, prefix + name)
            except Exception as error:
                failed()
                report(self.number, prefix + name, error)

    async def run_async(self):
        for name, function in checks:
            self.number += 1
            try:
                await function()
                report(self.number, name)
            except Exception as error:
                report(self.number, name, error)

    def plan(self):
        print(f"1..{self.number}", flush=True)
