"""What differs between the runs: command, size of the payload, gate, decoder."""
import collections

SMALL, LARGE = 20_000, 2_000_000

LINGER = 30         # milliseconds that a decoder stays after its last byte

Variant = collections.namedtuple("Variant", "command size gate decoder")
DECODERS = {"zstd": "zstd -dcq", "gzip": "gzip -dc | cat", "late": "zstd -dcq | CRASH_JOB linger %d" % LINGER,
            "opaque": "true && zstd -dcq | cat", "last": "cat | zstd -dcq", "plain": None}
CODINGS = {"zstd": ["zstd", "-qc1"], "gzip": ["gzip", "-c1"], "plain": ["cat"]}
CODING_OF = {"zstd": "zstd", "gzip": "gzip", "late": "zstd", "opaque": "zstd", "last": "zstd", "plain": "plain"}
COMMANDS = ("single", "script", "steps")
VARIANTS = [Variant(command, size, gate, decoder)
            for decoder in ("zstd", "gzip", "late", "opaque", "last") for command in COMMANDS
            for size in (SMALL, LARGE) for gate in ("hold", "eof")]
VARIANTS += [Variant(command, size, None, "plain") for command in COMMANDS for size in (SMALL, LARGE)]
