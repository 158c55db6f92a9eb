
# Other physical addresses, whose order, nesting, adjacency, sizes and places in a page are the same. Each gap between
# two ranges grows by some megabytes, so each range moves further than the one before it. Reserved and mapped ranges
# and regions of devices keep their sizes; windows of buses and memory may grow with what is in them. Addresses below
# 1 MiB are the same on every PC, and stay. A number is exact up to 53 bits, so no page is lost: its last digits stay.

function value(digits,    at, made) {
    for (at = 1; at <= length(digits); at++) made = made * 16 + index(HEX, substr(digits, at, 1)) - 1
    return made + 0
}
function hex(number,    made) {
    made = sprintf("%x%07x", int(number / 268435456), number % 268435456)
    sub(/^0+/, "", made)
    return made
}
function moved(digits,    number, made) {
    number = value(digits)
    if (number < COMMON) return digits
    number = value(substr(digits, 1, length(digits) - 3)) + shift(number) / 4096
    if (number >= LAST_PAGE) return "ffffffffffffffff"
    made = hex(number) substr(digits, length(digits) - 2)
    while (length(made) < length(digits)) made = "0" made
    return made
}
# How far an address moves.
function shift(number,    least, most, middle) {
    most = gaps
    while (least < most) {
        middle = int((least + most + 1) / 2)
        if (gap[middle] <= number) least = middle
        else most = middle - 1
    }
    return moves[least] + 0
}
# A number from 1 to the given one.
function draw(most) {
    drawn = (drawn + 11) % (length(POOL) - 11)
    return 1 + value(substr(POOL, drawn + 1, 11)) % most
}
# What a line says, in said; zero where it has another form.
function reads_listed(line) {
    if (line !~ LISTED || !match(line, /0x[0-9a-f]+-0x[0-9a-f]+/)) return 0
    says(substr(line, 1, RSTART + 1), substr(line, RSTART + 2, RLENGTH - 2), substr(line, RSTART + RLENGTH))
    sub(/^0x/, "", said["last"])
    sub(/[ \r]+$/, "", said["after"])
    if (value(said["first"]) >= (value(said["last"]) ? value(said["last"]) : END_OF_ALL)) return 0
    return length(said["first"]) < 17 && length(said["last"]) < 17
}
function reads_resource(line) {
    if (!match(line, /^ *[0-9a-f]+-[0-9a-f]+ : /)) return 0
    said["name"] = substr(line, RLENGTH + 1)
    line = substr(line, 1, RLENGTH - 3)
    match(line, /^ */)
    says(substr(line, 1, RLENGTH), substr(line, RLENGTH + 1), "")
    return length(said["first"]) < 17 && length(said["last"]) < 17
}
function says(before, ends, after,    parts) {
    split(ends, parts, "-")
    said["before"] = before; said["first"] = parts[1]; said["last"] = parts[2]; said["after"] = after
}
function reads_listed_memory(line,    unit) {
    if (!match(line, /^[ \t]+((Region [0-9]: )?Memory|Expansion ROM) at [0-9a-f]+/)) return 0
    said["first"] = substr(line, 1, RLENGTH); sub(/.* at /, "", said["first"])
    said["before"] = "\t" substr(line, 1, RLENGTH - length(said["first"])); sub(/^\t[ \t]+/, "\t", said["before"])
    line = substr(line, RLENGTH + 1)
    said["how"] = match(line, LISTED_HOW) ? substr(line, 1, RLENGTH) : ""
    said["size"] = match(line, / \[size=[0-9]+[KMGT]?\]$/) && RLENGTH < 17 ? substr(line, RSTART) : ""
    said["bytes"] = substr(said["size"], 8) + 0
    unit = index("KMGT", substr(said["size"], length(said["size"]) - 1, 1))
    for (; unit; unit--) said["bytes"] *= 1024
    return length(said["first"]) < 17
}
# The ranges of all files: first what places in a BAR need, then the rest.
function measure(    pass, at, line) {
    for (pass = 1; pass <= 2; pass++) {
        kind = ""
        for (at = 1; at <= NR; at++) {
            line = lines[at]
            if (line !~ /^ /) {
                line_number = 0
                if (line !~ /^(file|link|hex|folder) / || !form(substr(line, index(line, " ") + 1))) kind = ""
            } else if (pass == 1) { line_number++; measure_device(substr(line, 2)) }
            else measure_line(substr(line, 2))
        }
        resource_ends(-1)
    }
    kind = ""
    line_number = 0
    place()
}
function measure_device(line) {
    if (kind == "class") classes[device_of] = line
    if (kind ~ /^process s?maps$/ && line ~ MAPPING) {
        line = value(substr(line, 1, index(line, "-") - 1))
        if (!(owner in lowest) || line < lowest[owner]) lowest[owner] = line
    }
    if (kind != "resource" || !is_region(line)) return
    starts[device_of, line_number - 1] = value(substr(line, 3, 16))
    ends_of[device_of, line_number - 1] = value(substr(line, 22, 16))
    line = value(substr(line, 22, 16)) - value(substr(line, 3, 16))
    if (line > largest) largest = line
}
function measure_line(line,    parts, ends) {
    if (kind == "list" && reads_listed(line))
        mark(value(said["first"]), value(said["last"]) ? value(said["last"]) : END_OF_ALL, 1)
    else if (kind == "iomem" && reads_resource(line)) {
        resource_ends(length(said["before"]))
        depth = length(said["before"])
        pending = 1
        last_first = value(said["first"]); last_end = value(said["last"]) + 1
        grows = said["name"] ~ /^(System RAM|[Rr]eserved|Unknown E820 type)[ \r]*$/
    } else if (kind == "mtrr" && reads_register(line)) {
        mark(said["start"], said["end"], 0)
        registers[++register_count] = said["start"]
        registers_end[register_count] = said["end"]
    } else if (kind == "resource" && is_region(line))
        mark(value(substr(line, 3, 16)), value(substr(line, 22, 16)) + 1, classes[device_of] !~ /^0x060[49]/)
    else if (kind == "address" && line ~ /^0x[0-9a-f]+$/ && length(line) < 19)
        mark(value(substr(line, 3)), value(substr(line, 3)) + 4096, 1)
    else if (kind == "listing" && reads_listed_memory(line))
        mark(value(said["first"]), value(said["first"]) + said["bytes"], 1)
    else if (kind ~ /^process s?maps$/ && line ~ MAPPING) {
        split(line, parts, " ")
        split(parts[1], ends, "-")
        if (parts[6] ~ /^\/dev\/mem/)
            mark(value(parts[3]), value(parts[3]) + value(ends[2]) - value(ends[1]), 1)
    }
}
# The resource before ends: with what is in it, it may grow.
function resource_ends(next_depth) {
    if (pending) mark(last_first, last_end, !grows && next_depth <= depth)
    pending = 0
}
function mark(first, end, keeps) {
    if (first >= end) return
    points[first]; points[end]
    if (keeps) { opened[first]++; opened[end]-- }
}
function place(    count, at, other, step, point, open, before, tries) {
    points[COMMON]
    for (point in points) order[++count] = point + 0
    for (step = int(count / 2); step; step = int(step / 2))
        for (at = step + 1; at <= count; at++) {
            point = order[at]
            for (other = at; other > step && order[other - step] > point; other -= step)
                order[other] = order[other - step]
            order[other] = point
        }
    for (at = 1; at <= count; at++) rank[order[at]] = at
    # A register without anything in it keeps its size.
    for (at = 1; at <= register_count; at++)
        if (rank[registers_end[at]] == rank[registers[at]] + 1) {
            opened[registers[at]]++; opened[registers_end[at]]--
        }
    for (at = 1; at < count; at++) {
        open += opened[order[at]]
        if (!open && order[at] >= COMMON && order[at + 1] - order[at] >= 8192) after[at] = 1
    }
    for (at = 1; at < count; at++) {
        if (!(at in after)) continue
        gap[++gaps] = order[at] + int((order[at + 1] - order[at]) / 2)
        # A range may happen to move to where another was.
        for (tries = 0; tries < 50; tries++) {
            moves[gaps] = before + draw(64) * 2097152
            if (!meets(at + 1, moves[gaps], count)) break
        }
        before = moves[gaps]
    }
}
function meets(at, by, count) {
    for (; at <= count; at++) {
        if ((order[at] + by) in points) return 1
        if (at in after) return 0
    }
    return 0
}
BEGIN {
    COMMON = 1048576
    LAST_PAGE = 4503599627370496
    END_OF_ALL = 18446744073709551616
    LISTED_HOW = "^ \\(((32|64)-bit|low-1M|type 3), (non-)?prefetchable\\)"
}
