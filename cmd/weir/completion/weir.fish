# Completion of weir for fish. Load it with: weir completion fish | source

function __weir_complete
    set -l lines (weir __complete-line fish (commandline -cp | string collect) 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\n' $lines[2..-1]
    end
end

complete -c weir -f -k -a '(__weir_complete)'
