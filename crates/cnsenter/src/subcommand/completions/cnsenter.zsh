#compdef cnsenter
# Completion of cnsenter for zsh, which asks cnsenter itself at each TAB: cnsenter completions --help

_cnsenter() {
    local line kind number
    local -a lines whole begun
    lines=("${(@f)$(command cnsenter completions zsh -- "${(@Q)words[2,CURRENT-1]}" "${(Q)IPREFIX}${(Q)PREFIX}" 2>/dev/null)}")
    kind=${lines[1]%% *} number=${lines[1]##* }
    case $kind in
    program)
        shift $number words
        (( CURRENT -= number ))
        _normal
        ;;
    files)
        compset -p $number
        _files
        ;;
    folders)
        compset -p $number
        _files -/
        ;;
    words)
        # _describe parts the name from what it is at a colon.
        for line in "${(@)lines[2,-1]}"; do
            kind=${line%%$'\t'*}
            line=${${kind//\\/\\\\}//:/\\:}:${line#*$'\t'}
            if [[ $kind == *[/=] ]]; then begun+=("$line"); else whole+=("$line"); fi
        done
        _describe -t cnsenter cnsenter whole -- begun -S ''
        ;;
    esac
}

if [[ $funcstack[1] == _cnsenter ]]; then
    _cnsenter "$@"
else
    compdef _cnsenter cnsenter
fi
