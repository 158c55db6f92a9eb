#!/bin/sh
# Write all that `pfnlab inspect` reads of this machine to standard output, as one bundle:
#
#     ssh host sh < pfnlab-collect.sh > bundle
#     ssh host sh -s -- --redact < pfnlab-collect.sh > bundle     (with other names and addresses)
#
# It needs a POSIX shell, awk, ls, od, tr and date, so it runs where nothing is installed. It only reads: nothing is
# written elsewhere, mounted or loaded. The superuser sees all; for others the bundle says what was refused.
# The form is in src/pfnlab/diagnosis/inspector/sources/bundle.py. PFNLAB_ROOT names a folder that mirrors a root.
LC_ALL=C
PFNLAB_ROOT=${PFNLAB_ROOT-}
export LC_ALL PFNLAB_ROOT
root=$PFNLAB_ROOT

options='X86_PAT|MTRR[A-Z_]*|STRICT_DEVMEM|IO_STRICT_DEVMEM|DEVMEM|DEBUG_FS[A-Z_]*|DEBUG_VM[A-Z_]*|VFIO[A-Z0-9_]*'
options=$options'|UIO[A-Z_]*|FB_[A-Z0-9_]*|FB|SYSFB[A-Z_]*|DRM_[A-Z0-9_]*|PROC_KCORE|PROC_PAGE_MONITOR|PROC_VMCORE'
options=$options'|XEN[A-Z_]*|HYPERVISOR_GUEST|KVM_GUEST|SECURITY_LOCKDOWN[A-Z_]*|TRANSPARENT_HUGEPAGE[A-Z_]*'
options=$options'|AMD_MEM_ENCRYPT|INTEL_TDX_GUEST|HAVE_IOREMAP_PROT|GENERIC_IOREMAP|KPTI|RANDOMIZE_MEMORY'

now() {
    echo "at $(date +%s)"
}

# Lines of standard input as the content of a directive, which is written only where there is a line.
content_of() {
    awk -v head="$1" 'NR == 1 { print head } { print " " $0 } END { exit NR == 0 }'
}

# Zero where a file or a folder can be opened; otherwise the directive that says why it cannot be.
opened() {
    # A pipe has no end. The variable takes the shell's own message, whose last words are those of the system.
    why=
    [ ! -p "$root$1" ] && why=$({ true <"$root$1"; } 2>&1) && return 0
    why=${why##*: }
    case $why in
    *denied* | *permitted*) printf 'refused %s\t%s\n' "$1" "$why" ;;
    *) printf 'absent %s\tNo such file or directory\n' "$1" ;;
    esac
    return 1
}

put() {
    opened "$1" || return 0
    echo "file $1"
    awk '{ print " " $0 }' <"$root$1" 2>/dev/null
}

put_folder() {
    opened "$1" || return 1
    echo "folder $1"
    # The names are the kernel's, without ends of lines.
    # shellcheck disable=SC2012
    ls "$root$1" 2>/dev/null | awk '{ print " " $0 }'
}

put_log() {
    if [ -n "$root" ] || [ -f /dev/kmsg ]; then
        put /dev/kmsg
        return
    fi
    dmesg 2>/dev/null | content_of 'file dmesg' && return
    journalctl -q --no-pager -k -b -o short-monotonic 2>/dev/null |
        content_of 'file journalctl -k -b -o short-monotonic' && return
    printf 'refused dmesg\tOperation not permitted\n'
}

put_config() {
    release=
    if [ -r "$root/proc/sys/kernel/osrelease" ]; then
        read -r release <"$root/proc/sys/kernel/osrelease"
    fi
    config=/boot/config-$release
    lines="^(CONFIG_($options)=|# CONFIG_($options) is not set)"
    if [ -n "$release" ] && [ -r "$root$config" ]; then
        echo "file $config"
        awk -v lines="$lines" '$0 ~ lines { print " " $0 }' <"$root$config"
        return
    fi
    [ -z "$release" ] || opened "$config"
    opened /proc/config.gz || return 0
    echo "file /proc/config.gz"
    gzip -dc <"$root/proc/config.gz" 2>/dev/null | awk -v lines="$lines" '$0 ~ lines { print " " $0 }'
}

put_devices() {
    put_folder /sys/bus/pci/devices || return 0
    # shellcheck disable=SC2012
    ls -ld "$root"/sys/bus/pci/devices/*/driver "$root"/sys/bus/pci/devices/*/iommu_group \
        "$root"/sys/bus/pci/drivers/*/module 2>/dev/null |
        awk '{
            at = index($0, " -> ")
            start = index($0, ENVIRON["PFNLAB_ROOT"] "/sys/bus/pci/")
            if (at && start) {
                print "link " substr($0, start + length(ENVIRON["PFNLAB_ROOT"]), at - start - length(ENVIRON["PFNLAB_ROOT"]))
                print " " substr($0, at + 4)
            }
        }'
    # shellcheck disable=SC2012
    ls "$root/sys/bus/pci/devices" 2>/dev/null | awk '
        function put(path,    line, count) {
            while ((getline line < (ENVIRON["PFNLAB_ROOT"] path)) > 0) {
                if (!count++) print "file " path
                print " " line
            }
            close(ENVIRON["PFNLAB_ROOT"] path)
        }
        {
            folder = "/sys/bus/pci/devices/" $0
            put(folder "/vendor"); put(folder "/device"); put(folder "/class"); put(folder "/resource")
        }'
    for device in "$root"/sys/bus/pci/devices/*; do
        # Nothing in the first bytes is an address.
        [ -r "$device/config" ] && od -An -v -tx1 -N16 "$device/config" 2>/dev/null |
            content_of "hex ${device#"$root"}/config"
    done
}

# The refusals of processes: each message of the shell names a file and ends with the words of the system.
put_refusals() {
    for folder in "$root"/proc/[0-9]*; do
        true <"$folder/smaps"
        [ -e "$folder/smaps" ] || true <"$folder/maps"
        true <"$folder/fd"
    done 2>&1 | awk '
        /(denied|permitted)$/ && match($0, /\/proc\/[0-9]+\/(smaps|maps|fd):/) {
            path = substr($0, RSTART, RLENGTH - 1)
            count = split($0, parts, ": ")
            print "refused " path "\t" parts[count]
        }'
}

put_processes() {
    opened /proc || return 0
    # The target of a link may have ends of lines, which would make lines of their own.
    plain=-q
    ls -q / >/dev/null 2>&1 || plain=
    put_refusals
    {
        # shellcheck disable=SC2012
        ls "$root/proc" 2>/dev/null
        echo "--"
        # A second operand makes ls say which folder it lists.
        # shellcheck disable=SC2012
        ls "$root/proc" 2>/dev/null |
            awk '/^[0-9]+$/ { print "\"" ENVIRON["PFNLAB_ROOT"] "/proc/" $0 "/fd\"" }' |
            xargs ls $plain -l /dev/null 2>/dev/null
    } | awk '
        function of_interest(path) {
            return path ~ /^(\/dev\/(mem|kfd|hpet|fb[0-9]+|dri\/|nvidia|uio[0-9]|infiniband\/|vfio\/|accel\/)|\/proc\/bus\/pci\/|\/sys\/devices\/.*\/resource[0-9]|anon_inode:\[vfio-device\])/
        }
        function keep() {
            if (wanted) kept = kept " " head "\n" (flags == "" ? "" : " " flags "\n")
            wanted = 0; head = flags = ""
        }
        # The VMAs of interest of a file, in kept; less than zero where it cannot be read.
        function read_maps(file,    line, got, first) {
            kept = ""; wanted = 0; head = flags = ""
            while ((got = (getline line < file)) > 0) {
                first = substr(line, 1, 1)
                if (first == "V" && line ~ /^VmFlags:/) {
                    flags = line
                    if (!clock && line ~ / (pf|io)( |$)/) wanted = 1
                } else if (first ~ /[0-9a-f]/) {
                    keep()
                    head = line
                    clock = index(line, "[vvar")
                    if (match(line, /^[0-9a-f]+-[0-9a-f]+ [rwxsp-]+ [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [0-9]+ +/))
                        wanted = of_interest(substr(line, RLENGTH + 1))
                }
            }
            keep()
            close(file)
            return got
        }
        function look(pid,    folder, own, got, line, name) {
            folder = ENVIRON["PFNLAB_ROOT"] "/proc/" pid
            own = "smaps"
            if (read_maps(folder "/smaps") < 0) { own = "maps"; read_maps(folder "/maps") }
            if (kept == "" && links[pid] == "") return
            if (kept != "") printf "file /proc/%s/%s\n%s", pid, own, kept
            printf "%s", links[pid]
            if ((getline name < (folder "/comm")) > 0) printf "file /proc/%s/comm\n %s\n", pid, name
            close(folder "/comm")
        }
        function add_link(left, target,    parts, count, number, path, line, info) {
            count = split(left, parts, " ")
            number = parts[count]
            if (number !~ /^[0-9]+$/) return
            path = "/proc/" owner "/fd/" number
            links[owner] = links[owner] "link " path "\n " target "\n"
            path = "/proc/" owner "/fdinfo/" number
            while ((getline line < (ENVIRON["PFNLAB_ROOT"] path)) > 0)
                if (line ~ /^(ino|vfio-device-syspath):/) info = info " " line "\n"
            close(ENVIRON["PFNLAB_ROOT"] path)
            if (info != "") links[owner] = links[owner] "file " path "\n" info
        }
        $0 == "--" { listing = 1; next }
        !listing { if ($0 ~ /^[0-9]+$/) pids[++count] = $0; next }
        index($0, ENVIRON["PFNLAB_ROOT"] "/proc/") == 1 &&
            (rest = substr($0, length(ENVIRON["PFNLAB_ROOT"]) + 7)) ~ /^[0-9]+\/fd:$/ { owner = rest + 0; next }
        owner != "" && (at = index($0, " -> ")) && of_interest(substr($0, at + 4)) {
            add_link(substr($0, 1, at - 1), substr($0, at + 4))
        }
        END {
            if (count) print "folder /proc"
            for (number = 1; number <= count; number++) print " " pids[number]
            for (number = 1; number <= count; number++) look(pids[number])
        }'
}

# The bundle on standard input with other names and addresses. The program is pfnlab-redact.awk,
# which `pfnlab inspect --script` puts between these quotes.
# shellcheck disable=SC2016
program=''
redact() {
    PFNLAB_RANDOM=$(od -An -v -N4096 -tx1 /dev/urandom 2>/dev/null | tr -d ' \n')
    export PFNLAB_RANDOM
    awk "$program"
}

main() {
    echo "pfnlab-bundle 1"
    if [ "$(id -u)" = 0 ]; then echo "note root yes"; else echo "note root no"; fi
    now
    put /sys/kernel/debug/x86/pat_memtype_list
    put_folder /sys/kernel/debug
    put /proc/iomem
    put /proc/mtrr
    put_log
    now
    put_devices
    put /proc/sys/kernel/osrelease
    put /proc/sys/kernel/hostname
    put_config
    put /proc/modules
    put /proc/cmdline
    if opened /proc/cpuinfo; then
        echo "file /proc/cpuinfo"
        awk '/^flags/ { print " " $0; exit }' <"$root/proc/cpuinfo"
    fi
    put /sys/hypervisor/type
    put /sys/class/dmi/id/sys_vendor
    put /sys/class/dmi/id/product_name
    for region in "$root"/sys/class/uio/*/maps/*/addr; do
        [ ! -e "$region" ] || put "${region#"$root"}"
    done
    now
    put_processes
    now
}

# Without the time that comes last something ended too early, and the bundle is seen to be cut.
ended() {
    awk '{ print; last = $0 } END { if (last ~ /^at /) print "end " NR }'
}

# The script may come on standard input, which nothing in it may read.
case $#${1-} in
0) main </dev/null | ended ;;
1--redact)
    if [ -z "$program" ]; then
        echo "pfnlab-collect.sh: --redact is in the script that \`pfnlab inspect --script\` prints" >&2
        exit 2
    fi
    main </dev/null | redact | ended
    ;;
*)
    echo "pfnlab-collect.sh: the only option is --redact: sh -s -- --redact <pfnlab-collect.sh" >&2
    exit 2
    ;;
esac
