# bash completion for pfnlab: `source <(pfnlab help --completion bash)`, or this file in
# ~/.local/share/bash-completion/completions/pfnlab.

_pfnlab() {
    # bash cuts words at `:` and `=`; pfnlab gets the line instead, and knows which part is replaced.
    local value
    COMPREPLY=()
    while IFS= read -r value; do
        COMPREPLY+=("$value")
    done < <("$1" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
# Values that are whole bring their space along. Not sorted: newest kernels are first.
complete -o nospace -o nosort -F _pfnlab pfnlab 2>/dev/null || complete -o nospace -F _pfnlab pfnlab
