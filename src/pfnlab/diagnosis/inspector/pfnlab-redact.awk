# A bundle on standard input with other names and addresses, whose relations are the same: pfnlab and the script that
# collects a bundle where nothing is installed both run this program, with any awk. Of every file the lines of a known
# form pass, field by field; what has none is left out and counted. The words between @ are filled in from
# public_words.toml, and PFNLAB_RANDOM has the hexadecimal digits of which all that is random is made. A regular
# expression here has no {n}, which mawk does not know, and no line an apostrophe, for the program stands between two
# in the script. pfnlab-redact-log.awk and pfnlab-redact-shift.awk are parts of it.

# A name of ours, the same for the same name of a kind.
function ours(kind, name) {
    if (!((kind, name) in known)) known[kind, name] = ++counts[kind]
    return kind known[kind, name]
}
function pid(digits) {
    digits += 0
    if (!digits) return 0
    if (!(digits in pids)) pids[digits] = ++last_pid
    return pids[digits]
}
function inode(digits) { return digits + 0 ? substr(ours("i", digits), 2) : 0 }
function driver(name,    same) {
    same = name
    gsub(/-/, "_", same)
    return same in public ? name : ours("driver", same)
}
function device(name) { return name ~ ("^" DEVICE "$") ? name : ours("device", name) }
function group(name) { return name ~ /^[0-9]+$/ && length(name) < 6 ? name : ours("group", name) }
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
# What is of a release as distributions name theirs. mawk does not find the longest match, so it is asked for each.
function release(text,    size) {
    for (size = length(text); size; size--) if (substr(text, 1, size) ~ RELEASE) return substr(text, 1, size)
    return ours("kernel", text)
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
function mapping(line,    parts, ends, path, offset, start) {
    if (line !~ MAPPING) return ""
    split(line, parts, " ")
    split(parts[1], ends, "-")
    if (length(ends[1]) > 16 || length(ends[2]) > 16 || length(parts[3]) > 16) return ""
    match(line, /^[^ ]+ [^ ]+ [^ ]+ [^ ]+ [0-9]+ */)
    path = substr(line, RLENGTH + 1)
    offset = kept_offset(path, parts[3]) ? parts[3] : moved(parts[3])
    line = lower(ends[1]) "-" lower(ends[2]) " " parts[2] " " offset " 00:00 " inode(parts[5])
    return path == "" ? line : line "        " file(path)
}
# An address of a process, all of which lie lower by as many pages.
function lower(digits,    made) {
    if (!(owner in down)) down[owner] = lowest[owner] > 8191 ? draw(int(lowest[owner] / 8192)) : 0
    if (value(digits) < down[owner] * 4096) return "00000000"
    made = hex(value(substr(digits, 1, length(digits) - 3)) - down[owner]) substr(digits, length(digits) - 2)
    while (length(made) < 8) made = "0" made
    return made
}
# True where an offset is no address: a region of UIO or VFIO, or a place in a BAR.
function kept_offset(path, offset,    folder, number, at) {
    at = value(offset)
    if (path ~ /^\/dev\/uio[0-9]/) return at < 5 * 4096
    if (path ~ /^anon_inode:\[vfio-device\]/) {
        if (at >= 1099511627776) return at < 17592186044416
        return !in_a_bar(at) && at < largest
    }
    if (path !~ /^\/sys\/devices\//) return 0
    folder = path
    sub(/\/[^\/]*$/, "", folder)
    folder = last_part(folder)
    number = last_part(path)
    sub(/^resource/, "", number)
    sub(/[^0-9].*/, "", number)
    if (!((folder, number) in starts)) return 0
    if (starts[folder, number] <= at && at <= ends_of[folder, number]) return 0
    return at + starts[folder, number] <= ends_of[folder, number]
}
function in_a_bar(at,    one) {
    for (one in starts) if (starts[one] <= at && at <= ends_of[one]) return 1
    return 0
}
function is_region(line) {
    if (line !~ /^0x[0-9a-f]+ 0x[0-9a-f]+ 0x[0-9a-f]+[ \r]*$/) return 0
    return match(line, / 0x[0-9a-f]+ /) == 19 && RLENGTH == 20 && length(line) > 55 && substr(line, 57) ~ /^[ \r]*$/
}
function region(line) {
    if (!is_region(line)) return ""
    return "0x" moved(substr(line, 3, 16)) " 0x" moved(substr(line, 22, 16)) " " substr(line, 39, 18)
}
# A register of MTRRs: what it says, in said; zero where it has another form.
function reads_register(line,    size, unit) {
    if (line !~ REGISTER || !match(line, TYPE)) return 0
    said["kind"] = substr(line, RSTART, RLENGTH)
    said["number"] = line; sub(/^reg/, "", said["number"]); sub(/:.*/, "", said["number"])
    said["base"] = line; sub(/.*base=0x/, "", said["base"]); sub(/ .*/, "", said["base"])
    size = line; sub(/.*size= */, "", size)
    unit = size; sub(/^[0-9]+ ?/, "", unit); unit = substr(unit, 1, 1)
    # No register is that large: such a number says something else.
    if (!match(size, /^[0-9]+/) || RLENGTH > 9 || length(said["base"]) > 16) return 0
    said["start"] = value(said["base"])
    said["end"] = said["start"] + size * (unit == "K" ? 1024 : unit == "G" ? 1073741824 : 1048576)
    return 1
}
function register(line,    start, size, unit) {
    if (!reads_register(line)) return ""
    start = said["start"] + shift(said["start"])
    size = said["end"] + shift(said["end"]) - start
    unit = size % 1048576 ? "K" : "M"
    line = sprintf("size=%5.0f%sB, count=1: %s", size / (unit == "K" ? 1024 : 1048576), unit, said["kind"])
    line = sprintf("base=0x%s (%5.0fMB), %s", moved(said["base"]), int(start / 1048576), line)
    return "reg" substr(said["number"], length(said["number"]) < 4 ? 1 : length(said["number"]) - 2) ": " line
}
function options(line,    words, count, at, made) {
    count = split(line, words, " ")
    for (at = 1; at <= count; at++)
        if (words[at] ~ OPTION) made = made (made == "" ? "" : " ") words[at]
        else lost = 1
    if (lost) leave(called)
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
function flags_of(line,    words, count, at, made) {
    count = split(line, words, " ")
    for (at = 2; at <= count; at++) made = made " " (words[at] ~ /^[a-z?][a-z?]$/ ? words[at] : "??")
    return "VmFlags:" made
}
# A line of lspci that the inspector reads; its names come from a list of names.
function listed_device(line,    made, parts, rest) {
    sub(/\r$/, "", line)
    if (line ~ LISTED_DEVICE) {
        made = line; sub(/ .*/, "", made)
        match(line, /\[[0-9a-f][0-9a-f][0-9a-f][0-9a-f]\]: /)
        made = made " Class " substr(line, RSTART, RLENGTH) "Device "
        rest = substr(line, RSTART + RLENGTH)
        match(rest, IDS)
        made = made substr(rest, RSTART, RLENGTH)
        return made (match(rest, /\(prog-if [0-9a-f][0-9a-f][^0-9A-Za-z_]/) ? " " substr(rest, RSTART, 11) ")" : "")
    }
    if (reads_listed_memory(line)) return said["before"] moved(said["first"]) said["how"] said["size"]
    if (line ~ /^[ \t]+Control: / && match(line, /[^0-9A-Za-z_]Mem[+-]/))
        return "\tControl: " substr(line, RSTART + 1, 4)
    if (line ~ /^[ \t]+IOMMU group: [0-9]+$/) return "\tIOMMU group: " group(substr(line, match(line, /[0-9]+$/)))
    if (line ~ /^[ \t]+Kernel driver in use: [^ \t]+$/)
        return "\tKernel driver in use: " driver(substr(line, match(line, /[^ \t]+$/)))
    return ""
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
    } else if (path ~ /^\/proc\/[0-9]+\/(smaps|maps|comm|fdinfo|fd|(fd|fdinfo)\/[0-9]+)$/ && length(path) < 34) {
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
    if (kind == "list") {
        if (!reads_listed(line)) return ""
        return said["before"] moved(said["first"]) "-0x" moved(said["last"]) said["after"]
    }
    if (kind == "iomem") {
        if (!reads_resource(line)) return ""
        return said["before"] moved(said["first"]) "-" moved(said["last"]) " : " resource(said["name"])
    }
    if (kind == "mtrr") return register(line)
    if (kind == "log") return log_line(line)
    if (kind == "devices") return line ~ ("^" DEVICE "$") ? line : ""
    if (kind == "debugfs") return line in debugfs ? line : ours("folder", line)
    if (kind == "vendor" || kind == "device" || kind == "class")
        return line ~ /^0x[0-9a-f]+$/ && length(line) < 9 ? line : ""
    if (kind == "resource") return region(line)
    if (kind == "config") {
        sub(/^ +/, "", line)
        return line_number == 1 && line ~ /^[0-9a-f][0-9a-f]( [0-9a-f][0-9a-f])* *$/ ? substr(line, 1, 17) : ""
    }
    if (kind == "driver") return "../../../../bus/pci/drivers/" driver(last_part(line))
    if (kind == "module") return "../../../../module/" driver(last_part(line))
    if (kind == "iommu_group") return "../../../kernel/iommu_groups/" group(last_part(line))
    if (kind == "address") {
        if (line !~ /^0x[0-9a-f]+$/ || length(line) > 18) return ""
        return value(substr(line, 3)) >= USER_END ? "0xffff800000000000" : "0x" moved(substr(line, 3))
    }
    if (kind == "config.gz") return setting(line)
    if (kind == "release") return release(line)
    if (kind == "system") return line_number == 1 && split(line, parts, " ") > 2 ? "Linux host " release(parts[3]) : ""
    if (kind == "listing") return listed_device(line)
    if (kind == "host") return line_number == 1 ? "host" : ""
    if (kind == "modules") return module(line)
    if (kind == "cmdline") return options(line)
    if (kind == "flags") return flags(line)
    if (kind == "hypervisor") return line == "xen" || line == "kvm" ? line : "unknown"
    if (kind == "guest") return line_number == 1 ? guest(line) : ""
    if (kind == "pids") return line ~ /^[0-9]+$/ ? pid(line) : ""
    if (kind == "process smaps" || kind == "process maps") {
        made = mapping(line)
        if (made == "" && flags_follow && line ~ /^VmFlags:[ a-z0-9?]*$/) made = flags_of(line)
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
function finish(next_line) {
    if (kind == "log" && line_number && !kept) print " ..."
    if ((kind == "list" || kind == "iomem" || kind == "mtrr") && kept < line_number && next_line !~ /^cut /)
        printf "cut %s\tsome lines have not the form of this file\n", other
    kind = ""
    line_number = kept = flags_follow = 0
}
function reason(why) {
    return why in reasons || why ~ /^longer than [0-9]+ MiB$/ && length(why) < 23 ? why : "it cannot be read"
}
# One line of the bundle as it is written.
function write(line,    path, why) {
    if (line ~ /^ /) {
        line_number++
        path = kind == "" ? "" : redacted(substr(line, 2))
        if (path != "") { kept++; print " " path } else if (line != " ") leave(kind == "" ? "other files" : called)
        return
    }
    finish(line)
    path = substr(line, index(line, " ") + 1)
    if (line ~ /^at [0-9]+(\.[0-9]+)?$/) print (time = line)
    else if (line ~ /^(pfnlab-bundle 1|note root (yes|no))$/) print line (line ~ /^note/ ? "\nnote redacted yes" : "")
    else if (line ~ /^(file|hex|link|folder) /) { if (form(path)) print substr(line, 1, index(line, " ")) other }
    else if (line ~ /^(refused|absent|cut) /) {
        why = path
        sub(/\t.*/, "", path); sub(/.*\t/, "", why)
        if (form(path)) print substr(line, 1, index(line, " ")) other "\t" reason(why)
        kind = ""
    } else if (line !~ /^end [0-9]+$/) leave("other files")
}
function leave(name) { if (!left[name]++) left_name[++lefts] = name }
function names_of(words, found,    list, count, at) {
    count = split(words, list, words ~ /\|/ ? "|" : " ")
    for (at = 1; at <= count; at++) found[list[at]] = 1
}
BEGIN {
    HEX = "0123456789abcdef"
    CONVFMT = "%.17g"
    USER_END = 140737488355328
    POOL = ENVIRON["PFNLAB_RANDOM"]
    if (length(POOL) < 256) exit 1
    pids[1] = last_pid = 1
    count = split("@DRIVERS@", words, " ")
    for (at = 1; at <= count; at++) { gsub(/-/, "_", words[at]); public[words[at]] = 1 }
    names_of("@CONFIGURATION@", settings)
    names_of("@DEBUGFS@", debugfs)
    names_of("@REASONS@", reasons)
    names_of("@SOURCES@", sources)
    names_of("@HYPERVISORS@", hypervisors)
    tellings = split("@TELLING@", telling, "|")
    h = "[0-9a-f]"; d = "[0-9]"
    DEVICE = h h h h h "?" h "?" h "?" h "?:" h h ":" h h "\\.[0-7]"
    BRIDGE = "pci" h h h h h "?" h "?" h "?" h "?:" h h
    BAR_FILE = "^resource" d d "?(_wc)?$"
    LISTED = "(write-(back|combining|through|protected)|uncached-minus|uncached)"
    LISTED = "^(PAT: \\[mem 0x" h "+-0x" h "+\\] " LISTED "|" LISTED " @ 0x" h "+-0x" h "+)[ \r]*$"
    FILE = "^(@FILES@)$"
    RESOURCE = "^(@RESOURCES@)$"
    RELEASE = "^(@RELEASE@)$"
    OPTION = "^(@OPTIONS@)$"
    TYPE = "(uncachable|write-combining|write-through|write-protect|write-back)"
    DEVICE_FILE = "^@DEVICES@"
    IDS = "\\[" h h h h ":" h h h h "\\]"
    LISTED_DEVICE = "^(" h h h h "?" h "?" h "?" h "?:)?" h h ":" h h "\\.[0-7] .*\\[" h h h h "\\]: .*" IDS
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
    kinds["uname -a"] = "system"; kinds["lspci -nnvv"] = "listing"
    kinds["/sys/class/dmi/id/sys_vendor"] = kinds["/sys/class/dmi/id/product_name"] = "guest"
}
{ lines[NR] = $0 }
END {
    if (length(POOL) < 256) exit 1
    measure()
    for (at = 1; at <= NR; at++) write(lines[at])
    finish("")
    for (at = 1; at <= lefts; at++) print "note left " left[left_name[at]] " " left_name[at]
    if (time != "") print time
}
