# Completion of cnsenter for fish, which asks cnsenter itself at each TAB: cnsenter completions --help

function __cnsenter_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command cnsenter completions fish -- $words[2..] "$current" 2>/dev/null)
    set -l first (string split ' ' -- $lines[1])
    switch "$first[1]"
        case program
            # fish counts from 1.
            set -l rest (string escape -- $words[(math $first[2] + 1)..]) $current
            complete -C "$rest"
        case files folders
            # As fish completes the words of a program that it knows nothing of.
            set -l found (complete -C "'' "(string sub -s (math $first[2] + 1) -- $current))
            test $first[1] = folders; and set found (string match -r '^[^\t]*/' -- $found)
            string replace -r '^' -- (string sub -l $first[2] -- $current) $found
        case words
            printf '%s\n' $lines[2..]
    end
end

complete -c cnsenter -f -k -a '(__cnsenter_complete)'
