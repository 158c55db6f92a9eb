
# Lines of the log: what a line begins with, then its text, which has the form of a known message. The forms and the
# expressions of their fields are those of the families of messages. Each field is replaced by its kind.

function log_line(line,    head, parts, text) {
    sub(/\r$/, "", line)
    if (match(line, /^[0-9]+,[0-9]+,[0-9]+,[^;]*;/)) {
        split(line, parts, ",")
        if (length(parts[1]) > 3 || length(parts[2]) > 12 || length(parts[3]) > 16) return ""
        head = parts[1] "," parts[2] "," parts[3] ",-;"
    } else if (match(line, /^\[ *[0-9]+\.[0-9]+\] /)) {
        if (RLENGTH > 19) return ""
        head = substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
        if (!match(line, /^\[ *[TC][0-9]+\] /)) RLENGTH = 0
    } else if (!match(line, CLOCK)) RLENGTH = 0
    line = substr(line, RLENGTH + 1)
    if (match(line, /^[^ ]+ kernel: /)) { line = substr(line, RLENGTH + 1); head = head "host kernel: " }
    text = log_text(line)
    return text == "" ? "" : head text
}
function log_text(text,    first, word, at, made, count, likely, one) {
    gsub(/  +/, " ", text)
    if (text ~ /^Linux version [^ ]/) { split(text, word, " "); return "Linux version " release(word[3]) }
    if (match(text, /^Hypervisor detected: /)) {
        text = substr(text, RLENGTH + 1)
        sub(/ $/, "", text)
        return "Hypervisor detected: " (text in hypervisors ? text : "unknown")
    }
    if (text ~ ("^(mtrr: )?MTRR default type: " TYPE " ?$")) return text
    # The longest text of a message of the kernel.
    if (length(text) > 1024) return ""
    first = match(text, /^(x86\/PAT: |x86 PAT: |PAT: )/) ? substr(text, 1, RLENGTH) : ""
    text = substr(text, length(first) + 1)
    for (at = 1; at <= word_count; at++) {
        if (!index(text, words[at])) continue
        count = split(of_word[words[at]], likely, " ")
        for (one = 1; one <= count; one++) if ((made = filled(likely[one], text)) != "") return first made
    }
    return ""
}
function filled(at, text,    made) {
    token_count = split(forms[at], tokens, "[{}]")
    unit = units[at]
    second = ends[at]
    split("", failed)
    made = fill(text, 1)
    sub(/[ \t]*\n$/, "", made)
    return made
}
# The text from a token on, with its fields replaced; nothing where it has another form. An odd token is literal text,
# an even one a field, or several texts, of which there is one. A line end shows that the template came to its end.
function fill(text, at,    made) {
    if (at > token_count) return text ~ /^[ \t]*$/ ? "\n" : ""
    if ((at, length(text)) in failed) return ""
    if (at % 2) {
        if (substr(text, 1, length(tokens[at])) == tokens[at]) {
            made = fill(substr(text, length(tokens[at]) + 1), at + 1)
            if (made != "") made = tokens[at] made
        }
    } else made = tokens[at] in fields ? fill_field(text, at) : fill_choice(text, at)
    if (made == "") failed[at, length(text)]
    return made
}
function fill_choice(text, at,    choices, count, one, rest, made) {
    count = split(substr(tokens[at], tokens[at] ~ /^\?/ ? 2 : 1), choices, "|")
    for (one = 1; one <= count; one++) {
        if (substr(text, 1, length(choices[one])) != choices[one]) continue
        rest = substr(text, length(choices[one]) + 1)
        # If one of several words names a function, an offset into it may follow.
        if (count > 1 && match(rest, /^\+0x[0-9a-f]+\/0x[0-9a-f]+/) && RLENGTH < 23) {
            choices[one] = choices[one] substr(rest, 1, RLENGTH)
            rest = substr(rest, RLENGTH + 1)
        }
        if ((made = fill(rest, at + 1)) != "") return choices[one] made
    }
    return tokens[at] ~ /^\?/ ? fill(text, at + 1) : ""
}
function fill_field(text, at,    name, size, step, one, made, following) {
    name = tokens[at]
    following = tokens[at + 1]
    step = name == "text" || name == "holder" ? 1 : -1
    for (size = step > 0 ? 0 : length(text); size >= 0 && size <= length(text); size += step) {
        if (substr(text, size + 1, length(following)) != following) continue
        one = substr(text, 1, size)
        if (name != "text" && one !~ fields[name] || name == "comm" && size > 40) continue
        if ((made = fill(substr(text, size + 1), at + 1)) != "") return field(name, one) made
    }
    return ""
}
function field(name, text,    plain) {
    plain = tolower(text); sub(/^0x/, "", plain)
    if (name ~ PLAIN) return plain !~ /^[0-9]/ || length(plain) < (name == "pat_msr" ? 17 : 7) ? text : CUT
    if (name == "range" || name == "holder_range") return log_range(text)
    if (name == "start" || name == "end" || name == "pfn") return log_address(text, name == "pfn" ? "p" : unit)
    if (name == "comm") return ours("name", text)
    if (name == "pid") return text ~ /^[0-9]+$/ ? pid(text) : CUT
    if (name == "device") return device(text)
    if (name == "driver") return driver(text)
    if (name == "holder") return resource(text)
    if (name == "path") return file(text)
    if (name == "symbol") { sub(/\+.*/, "", text); return ours("function", text) "+0x0/0x0" }
    if (name == "file") return text in sources ? text : "mm/file.c"
    if (name == "errno" || name == "failure") { sub(/^-/, "", plain); return plain in errors ? text : CUT }
    if (name == "node") return text == "/dev/mem" ? text : CUT
    if (name == "version") return release(text)
    # The bits of a page-table entry outside the address.
    if (name == "entry") return sprintf("%x", value(substr(plain, length(plain) > 3 ? length(plain) - 2 : 1)))
    if (name == "size") return plain ~ /^[0-9a-f]+$/ && length(plain) < 13 ? text : CUT
    if (name == "bytes" || name == "kib" || name == "mib") return length(text) < 13 ? text : 0
    if (name == "vm_flags") return length(plain) < 10 ? text : 0
    if (name == "addr" || name == "iova") return plain ~ /^[0-9a-f]+$/ && length(plain) < 5 ? text : "(ptrval)"
    if (name == "number" || name == "fd") { sub(/^-/, "", plain); return length(plain) < 7 ? text : 0 }
    return CUT
}
function log_range(text,    first, between) {
    if (!match(text, /[ \t]*(->|-|,|to)[ \t]*/)) return CUT
    first = substr(text, 1, RSTART - 1)
    between = substr(text, RSTART, RLENGTH)
    text = substr(text, RSTART + RLENGTH)
    return log_address(first, unit) between (second == "s" ? text : log_address(text, unit))
}
# An address, or the number of a page.
function log_address(text, unit,    prefix, digits) {
    prefix = text ~ /^0[xX]/ ? substr(text, 1, 2) : ""
    digits = tolower(substr(text, length(prefix) + 1))
    if (digits !~ /^[0-9a-f]+$/ || length(digits) > 16) return CUT
    # An address of the kernel, or one of 32 bits whose sign is extended.
    if (unit == "b") return value(digits) < USER_END ? prefix moved(digits) : CUT
    if (length(digits) > 13) return CUT
    digits = moved(digits "000")
    return prefix substr(digits, 1, length(digits) - 3)
}
# A form: its unit (bytes or pages), its second number (size or end), words of which a line has one, its template.
function message(unit, end, some, text,    list, at) {
    forms[++form_count] = text
    units[form_count] = unit; ends[form_count] = end
    for (at = split(some, list, "|"); at; at--) {
        if (!(list[at] in of_word)) words[++word_count] = list[at]
        of_word[list[at]] = of_word[list[at]] " " form_count
    }
}
BEGIN {
    CUT = "..."
    CLOCK = "^(\\[[^]][^]][^]][^]][^]][^]][^]][^]][^]][^]]+\\] |[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]+ |[0-9]+-[0-9]+-[0-9]+T[0-9:.,+-]+Z? )"
    PLAIN = "^(wanted|granted|existing|differs|track|slots|pat_msr|perms|bar|line|amount|prefetch)$"
    names_of("@ERRORS@", errors)
@FIELDS@
@MESSAGES@
}
