#compdef pfnlab
# zsh completion for pfnlab: `source <(pfnlab help --completion zsh)` behind compinit, or this file as _pfnlab in a
# folder of $fpath.

_pfnlab() {
    local value says
    local -a whole open whole_shown open_shown
    while IFS=$'\t' read -r value says; do
        if [[ $value == *[:,=/] ]]; then
            open+=("$value")
            open_shown+=("$value${says:+  -- $says}")
        else
            whole+=("$value")
            whole_shown+=("$value${says:+  -- $says}")
        fi
    done < <("${words[1]}" __complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    # What is not whole gets no space.
    (( $#open )) && compadd -V pfnlab-open -S '' -l -d open_shown -a open
    (( $#whole )) && compadd -V pfnlab -l -d whole_shown -a whole
    (( $#open + $#whole ))
}

if [[ $funcstack[1] == _pfnlab ]]; then
    _pfnlab "$@"
else
    compdef _pfnlab pfnlab
fi
