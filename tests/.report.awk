# Reads what `cargo test -- --show-output` prints.
#
#   mode=live      passes on what a person wants to see while tests run
#   mode=summary   suites with their times, skipped tests with their reasons, and a last line `passed failed skipped`
#
# Invariant: a suite that began and never reported a result (it crashed) counts as one failure.

function open_suite(title) {
    close_suite()
    suite = title
    open = 1
}

function close_suite() {
    if (open) {
        failed++
        suites[++suite_count] = sprintf("%10s  %s", "crashed", suite)
        if (mode == "live") print "    crashed: " suite
    }
    open = 0
    block = ""
}

/^ +Running / { title = $0; sub(/^ +Running (unittests )?/, "", title); sub(/ \(.*/, "", title); package = crate($0); open_suite(package " " title); next }
/^ +Doc-tests / { open_suite($2 " examples in its docs"); next }
/^ +(Compiling|Finished|Fresh|Blocking|Downloading|Downloaded|Updating) / { next }

# The output of passing tests is kept from the terminal, that of failing ones is not.
/^successes:$/ { block = "successes"; next }
/^failures:$/ { block = "failures" }
/^---- .* stdout ----$/ { test = $2 }
/skipped, because / && block == "successes" {
    reason = $0
    sub(/.*skipped, because /, "", reason)
    if (!((suite, test) in seen)) {
        seen[suite, test] = 1
        skips[++skip_count] = suite "::" test ": " reason
        skipped_here++
    }
}
/^test .* \.\.\. ignored/ {
    reason = $0
    sub(/^test .* \.\.\. ignored,? ?/, "", reason)
    name = $2
    skips[++skip_count] = suite "::" name ": " (reason == "" ? "ignored" : reason)
}

/^test result: / {
    # test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
    passed += $4 - skipped_here
    failed += $6
    skipped += $8 + skipped_here
    time = $NF
    sub(/s$/, "", time)
    line = sprintf("%8.2f s  %s: %d passed, %d failed, %d skipped", time, suite, $4 - skipped_here, $6, $8 + skipped_here)
    if ($4 + $6 + $8 > 0) {
        suites[++suite_count] = line
        if (mode == "live") print line
    }
    skipped_here = 0
    open = 0
    block = ""
    next
}

/^cargo's exit code: / {
    close_suite()
    # Cargo fails for reasons of its own, too: never let that look like success.
    if ($4 != 0 && failed == failed_before) failed++
    failed_before = failed
    next
}

mode == "live" && block != "successes" && !/^test .* \.\.\. (ok|ignored)/ && !/^running [0-9]+ tests?$/ && !/^$/ { print; fflush() }

# `Running unittests src/lib.rs (/target/debug/deps/detect-0123456789abcdef)` → detect
function crate(line) {
    sub(/\)$/, "", line)
    sub(/.*\//, "", line)
    sub(/-[0-9a-f]+$/, "", line)
    return line
}

END {
    close_suite()
    if (mode != "summary") exit
    print ""
    print "Suites:"
    for (i = 1; i <= suite_count; i++) print "  " suites[i]
    if (skip_count > 0) {
        print ""
        print "Skipped:"
        for (i = 1; i <= skip_count; i++) print "  " skips[i]
    }
    print passed + 0, failed + 0, skipped + 0
}
