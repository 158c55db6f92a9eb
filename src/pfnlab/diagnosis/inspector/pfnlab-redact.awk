# A bundle on standard input with other names and addresses, whose relations are the same, as one pass of any awk.
# Of every file the lines of a known form pass, field by field; what has none is left out and counted. The rule is
# that of src/pfnlab/diagnosis/inspector/sources/redaction.py, which knows more forms of the log. All physical addresses
# move by as much. A regular expression here has no {n}, which mawk does not know, and no line an apostrophe, for
# the program stands between two in the script.

# The sum of two numbers of hexadecimal digits, digit by digit: those of an awk have 53 bits.
function sum(one, other,    at, digit, over, made, width) {
    width = length(one) > length(other) ? length(one) : length(other)
    for (at = 0; at < width; at++) {
        digit = over + (at < length(one) ? index(HEX, substr(one, length(one) - at, 1)) - 1 : 0)
        digit += at < length(other) ? index(HEX, substr(other, length(other) - at, 1)) - 1 : 0
        over = digit > 15
        made = substr(HEX, digit % 16 + 1, 1) made
    }
    return over ? "1" made : made
}
function plain(digits) { sub(/^0+/, "", digits); return digits == "" ? "0" : digits }
function below(one, other) {
    one = plain(one); other = plain(other)
    return length(one) != length(other) ? length(one) < length(other) : "x" one < "x" other
}
# Another physical address; those below 1 MiB are the same on every PC, and an end there is one of them.
function moved(digits, is_end,    sums) {
    if (below(digits, "100000") || is_end && plain(digits) == "100000") return digits
    sums = sum(digits, SHIFT)
    return length(plain(sums)) > 16 ? "ffffffffffffffff" : sums
}
function is_virtual(digits) { return !below(digits, "800000000000") }
# A name of ours, the same for the same name of a kind.
function ours(kind, name) {
    if (!((kind, name) in known)) known[kind, name] = ++counts[kind]
    return kind known[kind, name]
}
function pid(digits) {
    digits += 0
    if (!(digits in pids)) pids[digits] = ++last_pid
    return pids[digits]
}
function inode(digits) { return digits + 0 ? substr(ours("i", digits), 2) : 0 }
function driver(name,    same) {
    same = name
    gsub(/-/, "_", same)
    return same in public ? name : ours("driver", same)
}
function last_part(path) { sub(/\/+$/, "", path); sub(/.*\//, "", path); return path }
function resource(name,    low, at) {
    sub(/[ \r]+$/, "", name)
    if (name ~ RESOURCE && length(name) < 40) return name
    low = tolower(name)
    gsub(/-/, "_", low)
    if (low in public) return name
    for (at = 1; at <= tellings; at++)
        if (index(tolower(name), tolower(telling[at])) == 1) return telling[at]
    return name ~ /^[A-Za-z0-9_-]+$/ ? driver(name) : ours("resource", name)
}
function release(text,    found) {
    found = match(text, RELEASE) ? substr(text, 1, RLENGTH) : ""
    return found == "" ? ours("kernel", text) : found
}
# A path below /sys/devices: bridges and devices stay, and the resource that it ends with.
function system_path(path,    parts, count, at, made) {
    count = split(substr(path, 14), parts, "/")
    for (at = 1; at <= count; at++)
        made = made (at == 1 ? "" : "/") (is_place(parts[at], at == count) ? parts[at] : ours("place", parts[at]))
    return "/sys/devices/" made
}
function is_place(part, is_last) { return part ~ ("^(" BRIDGE "|" DEVICE ")$") || is_last && part ~ BAR_FILE }
function file(path,    deleted, name, found) {
    if (path ~ / \(deleted\)$/) { deleted = " (deleted)"; path = substr(path, 1, length(path) - 10) }
    if (path ~ FILE) return path deleted
    if (path ~ /^\/sys\/devices\// && last_part(path) ~ BAR_FILE && path !~ /\/$/) return system_path(path) deleted
    name = ours("file", path)
    if (path ~ /^\/sys\/devices\/.*\/resource[0-9]/) return "/sys/devices/" name "/resource0." name deleted
    if (!match(path, DEVICE_FILE)) return "/" name deleted
    found = substr(path, 1, RLENGTH)
    sub(/[0-9]$/, "0", found)
    return found (found ~ /\/$/ ? "" : ".") name deleted
}
# A range of a line, whose ends are moved.
function moved_range(text, is_end,    at, ends, count, first, last, zero) {
    if (!match(text, /0x[0-9a-f]+-0x[0-9a-f]+/) && !match(text, BARE_RANGE)) return ""
    split(substr(text, RSTART, RLENGTH), ends, "-")
    first = ends[1]; last = ends[2]
    zero = sub(/^0x/, "", first) ? "0x" : ""
    sub(/^0x/, "", last)
    if (length(first) > 16 || length(last) > 16 || !is_end && is_virtual(first)) return ""
    return substr(text, 1, RSTART - 1) zero moved(first) "-" zero moved(last, is_end) substr(text, RSTART + RLENGTH)
}
# Lines of the log: what it begins with, then the text, whose forms are fewer than those of pfnlab.
function log_line(line,    head, parts, text) {
    if (match(line, /^[0-9]+,[0-9]+,[0-9]+,[^;]*;/)) {
        split(line, parts, ",")
        head = parts[1] "," parts[2] "," parts[3] ",-;"
    } else if (match(line, /^\[ *[0-9]+\.[0-9]+\] /)) {
        head = substr(line, 1, RLENGTH)
    } else RLENGTH = 0
    line = substr(line, RLENGTH + 1)
    if (match(line, /^\[ *[TC][0-9]+\] /)) line = substr(line, RLENGTH + 1)
    if (match(line, /^[^ ]+ kernel: /)) { line = substr(line, RLENGTH + 1); head = head "host kernel: " }
    text = log_text(line)
    return text == "" ? "" : head text
}
function log_text(text,    first, comm, number) {
    sub(/[ \r]+$/, "", text)
    if (text ~ /^Linux version [^ ]/) { split(text, said, " "); return "Linux version " release(said[3]) }
    if (match(text, /^Hypervisor detected: /)) {
        text = substr(text, RLENGTH + 1)
        return "Hypervisor detected: " (text ~ HYPERVISOR ? text : "unknown")
    }
    if (text ~ ("^(mtrr: )?MTRR default type: " TYPE "$")) return text
    first = match(text, /^(x86\/PAT: |x86 PAT: |PAT: )/) ? substr(text, 1, RLENGTH) : ""
    text = substr(text, length(first) + 1)
    if (text ~ /^(PAT c|C)onfiguration \[0-7\]: ((WB|WC|UC-|UC|WT|WP) *)+$/ || text ~ PAT_OFF) return first text
    if (match(text, OF_PROCESS) && RSTART > 1) {
        comm = substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + 1)
        number = text
        sub(/ .*/, "", number)
        text = moved_range(substr(text, length(number) + 1))
        return text == "" ? "" : first ours("name", comm) ":" pid(number) text
    }
    if (text ~ OF_RANGE) {
        text = moved_range(text)
        return text == "" ? "" : first text
    }
    return ""
}
function mapping(line,    parts, ends, path, offset, start) {
    if (line !~ MAPPING) return ""
    split(line, parts, " ")
    split(parts[1], ends, "-")
    if (length(ends[1]) > 16 || length(ends[2]) > 16 || length(parts[3]) > 16) return ""
    match(line, /^[^ ]+ [^ ]+ [^ ]+ [^ ]+ [0-9]+ */)
    path = substr(line, RLENGTH + 1)
    offset = kept_offset(path, parts[3], sum(ends[2], "0")) ? parts[3] : moved(parts[3])
    line = sum(ends[1], up(owner)) "-" sum(ends[2], up(owner)) " " parts[2] " " offset " 00:00 " inode(parts[5])
    return path == "" ? line : line "        " file(path)
}
# Each process lies elsewhere, by a number of pages.
function up(number) {
    if (!(number in ups)) ups[number] = sprintf("%x000", 1 + int(rand() * 268435456))
    return ups[number]
}
# True where an offset is no address: a region of UIO or VFIO, or a place in a BAR.
function kept_offset(path, offset,    device, number) {
    if (path ~ /^\/dev\/uio[0-9]/) return below(offset, "5000")
    if (path ~ /^anon_inode:\[vfio-device\]/) {
        if (!below(offset, "10000000000")) return below(offset, "100000000000")
        return !in_a_bar(offset) && below(offset, largest)
    }
    if (path !~ /^\/sys\/devices\//) return 0
    device = path
    sub(/\/[^\/]*$/, "", device)
    device = last_part(device)
    number = last_part(path)
    sub(/^resource/, "", number)
    sub(/[^0-9].*/, "", number)
    if (!((device, number) in starts)) return 0
    if (!below(offset, starts[device, number]) && !below(ends_of[device, number], offset)) return 0
    return !below(ends_of[device, number], sum(offset, starts[device, number]))
}
function in_a_bar(offset,    one) {
    for (one in starts)
        if (!below(offset, starts[one]) && !below(ends_of[one], offset)) return 1
    return 0
}
function region(line,    parts, first, last) {
    if (line !~ /^0x[0-9a-f]+ 0x[0-9a-f]+ 0x[0-9a-f]+[ \r]*$/) return ""
    split(line, parts, /[ \r]/)
    if (length(parts[1] parts[2] parts[3]) != 54) return ""
    first = substr(parts[1], 3); last = substr(parts[2], 3)
    if (below(first, last) && !below(first, "100000")) {
        starts[device_of, line_number - 1] = first
        ends_of[device_of, line_number - 1] = last
        if (below(largest, difference(last, first))) largest = difference(last, first)
    }
    return "0x" moved(first) " 0x" moved(last) " " parts[3]
}
# The first number less the second, which is smaller: the complement is added.
function difference(one, other,    at, made) {
    while (length(other) < 16) other = "0" other
    for (at = 1; at <= 16; at++) made = made substr(HEX, 17 - index(HEX, substr(other, at, 1)), 1)
    made = sum(sum(one, made), "1")
    return substr(made, length(made) - 15)
}
function register(line,    base, size, unit, kind, number) {
    if (line !~ REGISTER || !match(line, TYPE)) return ""
    kind = substr(line, RSTART, RLENGTH)
    number = line; sub(/^reg/, "", number); sub(/:.*/, "", number)
    base = line; sub(/.*base=0x/, "", base); sub(/ .*/, "", base)
    size = line; sub(/.*size= */, "", size)
    unit = size; sub(/^[0-9]+ ?/, "", unit); unit = substr(unit, 1, 1)
    # No register is that large: such a number says something else.
    if (!match(size, /^[0-9]+/) || RLENGTH > 9) return ""
    size += 0
    if (unit !~ /[KMG]/) unit = "M"
    if (unit == "G") { size *= 1024; unit = "M" }
    # What begins below 1 MiB stays and has all that moved in it.
    if (below(base, "100000") && size > (unit == "M" ? 1 : 1024)) size += GIB * (unit == "M" ? 1024 : 1048576)
    return "reg" substr(number, 1, 3) ": base=0x" moved(base) " (    0MB), size=" size unit "B, count=1: " kind
}
function options(line,    words, count, at, made) {
    count = split(line, words, " ")
    for (at = 1; at <= count; at++)
        if (words[at] ~ OPTION) made = made (made == "" ? "" : " ") words[at]
        else lost = 1
    left["/proc/cmdline"] += lost
    lost = 0
    return made == "" ? " " : made
}
function module(line,    parts, users, count, at, made) {
    if (line !~ /^[A-Za-z0-9_-]+ +[0-9]+ +[0-9-]+ *[^ ]*/) return ""
    split(line, parts, " ")
    count = split(parts[4], users, ",")
    for (at = 1; at <= count; at++)
        if (users[at] != "" && users[at] != "-") made = made (made == "" ? "" : ",") driver(users[at])
    return driver(parts[1]) " 0 0 " (made == "" ? "-" : made)
}
function guest(line,    words, count, at, made) {
    count = split("@GUESTS@", words, "|")
    for (at = 1; at <= count; at++) if (index(line, words[at])) made = made (made == "" ? "" : " ") words[at]
    return made == "" ? " " : made
}
function setting(line,    name) {
    if (line !~ /^CONFIG_[A-Z0-9_]+=([ymn]|[0-9]+)$/ && line !~ /^# CONFIG_[A-Z0-9_]+ is not set$/) return ""
    name = line
    sub(/^(# )?CONFIG_/, "", name); sub(/[= ].*/, "", name)
    return name in settings && length(line) < length(name) + 24 ? line : ""
}
function flags(line,    made) {
    if (line !~ /^flags[ \t]*:/) return ""
    sub(/^[^:]*:/, "", line)
    line = " " line " "
    if (line ~ / hypervisor /) made = made " hypervisor"
    if (line ~ / mtrr /) made = made " mtrr"
    if (line ~ / pat /) made = made " pat"
    return "flags\t:" made
}
# The form of a file by its path: its kind, its path in the bundle, its name where lines are counted.
function form(path,    parts) {
    other = called = path
    kind = path in kinds ? kinds[path] : ""
    split(path, parts, "/")
    if (path ~ "^/sys/bus/pci/devices/" DEVICE "/(vendor|device|class|resource|config|driver|iommu_group)$") {
        device_of = parts[6]
        kind = parts[7]
        called = "/sys/bus/pci/devices/*/" kind
    } else if (path ~ /^\/sys\/bus\/pci\/drivers\/[^\/]+\/module$/) {
        kind = "module"
        other = "/sys/bus/pci/drivers/" driver(parts[6]) "/module"
        called = "/sys/bus/pci/drivers/*/module"
    } else if (path ~ /^\/sys\/class\/uio\/uio[0-9]+\/maps\/map[0-4]\/addr$/ && length(path) < 40) {
        kind = "address"
        called = "/sys/class/uio"
    } else if (path ~ /^\/boot\/config-[^\/]+$/) {
        kind = "config.gz"
        other = "/boot/config-" release(substr(path, 14))
        called = "/boot/config-*"
    } else if (path ~ /^\/proc\/[0-9]+\/((smaps|maps|comm|fd)|(fd|fdinfo)\/[0-9]+)$/ && length(path) < 34) {
        owner = parts[3]
        kind = "process " parts[4]
        other = "/proc/" pid(owner) substr(path, 7 + length(owner))
        called = "/proc/*/" parts[4]
    }
    return kind != ""
}
# A line of a file as the bundle has it; nothing for one without a form.
function redacted(line,    parts, made, name) {
    if (kind == "list" && line ~ /^PAT memtype list:[ \r]*$/) return "PAT memtype list:"
    if (kind == "list") return line ~ LISTED ? moved_range(line, 1) : ""
    if (kind == "iomem") {
        if (!match(line, /^ *[0-9a-f]+-[0-9a-f]+ : /)) return ""
        made = substr(line, 1, RLENGTH)
        name = resource(substr(line, RLENGTH + 1))
        match(made, /^ */)
        split(substr(made, RLENGTH + 1), parts, /[ -]+/)
        if (length(parts[1]) > 16 || length(parts[2]) > 16) return ""
        return substr(made, 1, RLENGTH) moved(parts[1]) "-" moved(parts[2]) " : " name
    }
    if (kind == "mtrr") return register(line)
    if (kind == "log") return log_line(line)
    if (kind == "devices") return line ~ ("^" DEVICE "$") ? line : ""
    if (kind == "debugfs") return line == "x86" ? line : ours("folder", line)
    if (kind == "vendor" || kind == "device" || kind == "class")
        return line ~ /^0x[0-9a-f]+$/ && length(line) < 9 ? line : ""
    if (kind == "resource") return region(line)
    if (kind == "config")
        return line_number == 1 && line ~ /^ *[0-9a-f][0-9a-f]( [0-9a-f][0-9a-f])* *$/ ? substr(line, 1, 18) : ""
    if (kind == "driver") return "../../../../bus/pci/drivers/" driver(last_part(line))
    if (kind == "module") return "../../../../module/" driver(last_part(line))
    if (kind == "iommu_group") {
        line = last_part(line)
        if (line !~ /^[0-9]+$/ || length(line) > 5) line = ours("group", line)
        return "../../../kernel/iommu_groups/" line
    }
    if (kind == "address") {
        if (line !~ /^0x[0-9a-f]+$/ || length(line) > 18) return ""
        return is_virtual(substr(line, 3)) ? "0xffff800000000000" : "0x" moved(substr(line, 3))
    }
    if (kind == "config.gz") return setting(line)
    if (kind == "release") return release(line)
    if (kind == "host") return line_number == 1 ? "host" : ""
    if (kind == "modules") return module(line)
    if (kind == "cmdline") return options(line)
    if (kind == "flags") return flags(line)
    if (kind == "hypervisor") return line == "xen" || line == "kvm" ? line : "unknown"
    if (kind == "guest") return line_number == 1 ? guest(line) : ""
    if (kind == "pids") return line ~ /^[0-9]+$/ ? pid(line) : ""
    if (kind == "process smaps" || kind == "process maps") {
        made = mapping(line)
        if (made == "" && flags_follow && line ~ /^VmFlags:( [a-z0-9?][a-z0-9?])* *$/) made = line
        flags_follow = made != "" && line !~ /^V/
        return made
    }
    if (kind == "process comm") return line_number == 1 ? ours("name", line) : ""
    if (kind == "process fd") return file(line)
    if (kind == "process fdinfo") {
        if (line ~ /^ino:[ \t]*[0-9]+[ \t]*$/) { split(line, parts, /[: \t]+/); return "ino:\t" inode(parts[2]) }
        if (match(line, /^vfio-device-syspath:[ \t]*/))
            return "vfio-device-syspath: " system_path(substr(line, RLENGTH + 1))
    }
    return ""
}
function finish() {
    if (kind == "log" && line_number && !kept) print " ..."
    if ((kind == "list" || kind == "iomem" || kind == "mtrr") && kept < line_number)
        printf "cut %s\tsome lines have not the form of this file\n", other
    kind = ""
    line_number = kept = flags_follow = 0
}
BEGIN {
    HEX = "0123456789abcdef"
    srand(seed)
    GIB = 1 + int(rand() * 255)
    SHIFT = sprintf("%x0000000", 4 * GIB)
    largest = "0"
    pids[1] = last_pid = 1
    count = split("@DRIVERS@", words, " ")
    for (at = 1; at <= count; at++) { gsub(/-/, "_", words[at]); public[words[at]] = 1 }
    count = split("@CONFIGURATION@", words, " ")
    for (at = 1; at <= count; at++) settings[words[at]] = 1
    tellings = split("@TELLING@", telling, "|")
    h = "[0-9a-f]"; d = "[0-9]"
    DEVICE = h h h h h "?" h "?" h "?" h "?:" h h ":" h h "\\.[0-7]"
    BRIDGE = "pci" h h h h h "?" h "?" h "?" h "?:" h h
    BAR_FILE = "^resource" d d "?(_wc)?$"
    MODE = "(write-(back|combining|through|protected)|uncached-minus|uncached|0x" h "|" d ")"
    RANGE = "(0x)?" h h h h "+-(0x)?" h h h h "+"
    BARE_RANGE = h h h h "+-" h h h h "+"
    LISTED = "(write-(back|combining|through|protected)|uncached-minus|uncached)"
    LISTED = "^(PAT: \\[mem 0x" h "+-0x" h "+\\] " LISTED "|" LISTED " @ 0x" h "+-0x" h "+)[ \r]*$"
    FILE = "^(@FILES@)$"
    RESOURCE = "^(@RESOURCES@)$"
    RELEASE = "^@RELEASE@"
    HYPERVISOR = "^(@HYPERVISORS@)$"
    OPTION = "^(@OPTIONS@)$"
    PAT_OFF = "^(PAT support disabled (via boot option|by the firmware"
    PAT_OFF = PAT_OFF "|because CONFIG_(X86_PAT|MTRR) is disabled in the kernel)\\."
    PAT_OFF = PAT_OFF "|MTRRs disabled, skipping PAT initialization too\\."
    PAT_OFF = PAT_OFF "|PAT not supported by (the )?CPU\\.|PAT MSR is 0, disabled\\.)$"
    TYPE = "(uncachable|write-combining|write-through|write-protect|write-back)"
    OF_PROCESS = ":" d "+ (freeing invalid memtype|map pfn expected mapping type " MODE " for"
    OF_PROCESS = OF_PROCESS "|map pfn RAM range req " MODE " for|conflicting memory types) "
    OF_PROCESS = OF_PROCESS "(\\[mem )?" RANGE "\\]?(, got " MODE "| " MODE "<->" MODE ")?$"
    OF_RANGE = "^((memtype_reserve|reserve_memtype) failed (\\[mem )?" RANGE "\\]?, track " MODE ", req " MODE
    OF_RANGE = OF_RANGE "|ioremap error for " RANGE ", requested " MODE ", got " MODE
    OF_RANGE = OF_RANGE "|e820: reserve RAM buffer \\[mem " RANGE "\\])$"
    DEVICE_FILE = "^(/dev/(mem|kfd|hpet|fb" d "|dri/|nvidia|uio" d "|infiniband/|vfio/|accel/)"
    DEVICE_FILE = DEVICE_FILE "|/proc/bus/pci/|anon_inode:\\[vfio-device\\])"
    MAPPING = "^" h "+-" h "+ [rwxsp-][rwxsp-][rwxsp-][rwxsp-] " h "+ " h "+:" h "+ " d "+( +.*)?$"
    REGISTER = "^reg" d "+: base=0x" h "+ \\( *" d "+ ?[KMG]?B?\\), size= *" d "+ ?[KMG]?B?"
    REGISTER = REGISTER "(, count=" d "+: [a-z-]+|: [a-z-]+, count=" d "+)[ \r]*$"
    kinds["/sys/kernel/debug/x86/pat_memtype_list"] = "list"
    kinds["/sys/kernel/debug"] = "debugfs"; kinds["/proc/iomem"] = "iomem"; kinds["/proc/mtrr"] = "mtrr"
    kinds["/dev/kmsg"] = kinds["dmesg"] = kinds["journalctl -k -b -o short-monotonic"] = "log"
    kinds["/sys/bus/pci/devices"] = "devices"; kinds["/proc/sys/kernel/osrelease"] = "release"
    kinds["/proc/sys/kernel/hostname"] = "host"; kinds["/proc/config.gz"] = "config.gz"
    kinds["/proc/modules"] = "modules"; kinds["/proc/cmdline"] = "cmdline"; kinds["/proc/cpuinfo"] = "flags"
    kinds["/sys/hypervisor/type"] = "hypervisor"; kinds["/proc"] = "pids"
    kinds["/sys/class/dmi/id/sys_vendor"] = kinds["/sys/class/dmi/id/product_name"] = "guest"
}
/^ / {
    line_number++
    line = kind == "" ? "" : redacted(substr($0, 2))
    if (line == "") { if ($0 != " ") left[kind == "" ? "other files" : called]++; next }
    kept++
    print " " line
    next
}
{ finish() }
/^at [0-9]+$/ { time = $0; print; next }
/^(pfnlab-bundle 1|note root (yes|no))$/ { print; if ($1 == "note") print "note redacted yes"; next }
/^(file|hex|link|folder) / {
    if (form(substr($0, index($0, " ") + 1))) print $1 " " other
    next
}
/^(refused|absent) / {
    path = substr($0, index($0, " ") + 1)
    why = path
    sub(/\t.*/, "", path); sub(/.*\t/, "", why)
    if (why !~ /^(No such file or directory|Permission denied|Operation not permitted)$/) why = "it cannot be read"
    if (form(path)) printf "%s %s\t%s\n", $1, other, why
    kind = ""
    next
}
{ left["other files"]++ }
END {
    finish()
    for (name in left) if (left[name]) print "note left " left[name] " " name
    print time
}
