# fish completion for pfnlab: `pfnlab help --completion fish | source`, or this file in
# ~/.config/fish/completions/pfnlab.fish.

function __pfnlab_complete
    set -l before (commandline -opc)
    $before[1] __complete fish $before[2..] (commandline -ct) 2>/dev/null
end

complete -c pfnlab -f -k -a '(__pfnlab_complete)'
