package main

import (
	"bufio"
	"embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirflow/weir/pkg/queryargs"
	"github.com/weirflow/weir/pkg/render"
)

//go:embed completion
var scripts embed.FS

var shells = []string{"bash", "zsh", "fish"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes command lines",
		Long: `Print a script that completes verbs, flags, attributes, interfaces, hosts and what stands within conditions.
Names are those of the store or server that the command line names, else of this machine.`,
		Example: `  source <(weir completion bash)                                # this shell
  weir completion bash > /etc/bash_completion.d/weir            # all shells
  weir completion zsh > /usr/local/share/zsh/site-functions/_weir
  weir completion fish > ~/.config/fish/completions/weir.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 || !slices.Contains(shells, arguments[0]) {
				return usage("one shell is expected: bash, zsh or fish", "")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, arguments []string) error {
			script, err := scripts.ReadFile("completion/weir." + arguments[0])
			if err == nil {
				_, err = a.stdout.Write(script)
			}
			return err
		},
	}
}

// lineCommand is what the scripts call: SHELL, the line up to the cursor, and for bash COMP_TYPE and COMP_WORDBREAKS.
// It prints what to do after the word in the first line, then what may stand in place of the word.
func (a *app) lineCommand() *cobra.Command {
	return &cobra.Command{
		Use: "__complete-line", Hidden: true, DisableFlagParsing: true,
		Args: cobra.RangeArgs(2, 4),
		RunE: func(_ *cobra.Command, arguments []string) error {
			arguments = append(arguments, "", "")
			typed := queryargs.Split(arguments[1])
			l := completedLine{typed: typed, listing: arguments[2] == strconv.Itoa('?'), breaks: arguments[3]}
			manner, found := a.complete(typed)
			out := bufio.NewWriter(a.stdout)
			fmt.Fprintln(out, manner)
			for _, line := range l.forShell(arguments[0], manner, found) {
				fmt.Fprintln(out, line)
			}
			return out.Flush()
		},
	}
}

// The manners of going on behind a completion.
const (
	mannerNext        = "next"     // the word is complete
	mannerContinue    = "continue" // the word may go on
	mannerFiles       = "files"
	mannerDirectories = "directories"
)

// completion is one way to complete the whole last word.
type completion struct{ text, description string }

// complete asks cobra what the word at the end may become.
func (a *app) complete(typed queryargs.Typed) (manner string, found []completion) {
	words := typed.Words
	for len(words) > 0 && strings.Contains(words[0], "=") {
		words = words[1:] // assignments before the program
	}
	if len(words) == 0 {
		return mannerNext, nil
	}
	var out strings.Builder
	root := a.rootCommand(nil)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append(append([]string{cobra.ShellCompRequestCmd}, words[1:]...), typed.Last))
	if err := root.Execute(); err != nil {
		return mannerNext, nil
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	number, _ := strconv.Atoi(strings.TrimPrefix(lines[len(lines)-1], ":")) // 0, cobra's default, proposes files
	directive := cobra.ShellCompDirective(number)
	switch {
	case directive&cobra.ShellCompDirectiveFilterDirs != 0:
		return mannerDirectories, nil
	case directive&cobra.ShellCompDirectiveError != 0:
		return mannerNext, nil
	case len(lines) == 1 && directive&cobra.ShellCompDirectiveNoFileComp == 0:
		return mannerFiles, nil
	case directive&cobra.ShellCompDirectiveNoSpace != 0:
		manner = mannerContinue
	default:
		manner = mannerNext
	}
	prefix := keptPrefix(typed.Last)
	for _, line := range lines[:len(lines)-1] {
		text, description, _ := strings.Cut(line, "\t")
		if text = prefix + text; render.Safe(text) == text && len(text) >= typed.Open {
			found = append(found, completion{text, render.Line(description)})
		}
	}
	return manner, found
}

// keptPrefix is what cobra leaves out of its answers: the flag of --flag=value, and blanks in front.
func keptPrefix(word string) string {
	flag := ""
	if strings.HasPrefix(word, "--") && strings.Contains(word, "=") {
		flag = word[:strings.Index(word, "=")+1]
	}
	value := word[len(flag):]
	return flag + value[:len(value)-len(strings.TrimLeft(value, " "))]
}

// completedLine says how completions are written for a shell.
type completedLine struct {
	typed   queryargs.Typed
	listing bool   // bash only shows them
	breaks  string // characters that part words for bash
}

func (l completedLine) forShell(shell, manner string, found []completion) (lines []string) {
	switch {
	case shell == "bash" && l.listing && len(found) > 1:
		return l.list(found)
	case shell == "bash":
		for _, f := range found {
			lines = append(lines, l.afterBreak(l.typed.Complete(f.text)))
		}
		// Readline closes quotation marks behind the only completion. With a second one it inserts what both have in
		// common: the completion and a blank.
		if len(lines) == 1 && l.typed.Quote != "" && manner == mannerContinue {
			lines = []string{lines[0] + " ", lines[0] + " …"}
		}
		return lines
	}
	for _, f := range found {
		text := f.text
		if shell == "zsh" && l.typed.Quote != "" {
			text = text[l.typed.Open:]
		}
		if f.description != "" {
			text += "\t" + f.description
		}
		lines = append(lines, text)
	}
	if len(lines) == 1 && shell == "fish" && manner == mannerContinue {
		lines = append(lines, found[0].text+"…") // fish closes quotation marks and adds a blank behind the only one, too
	}
	return lines
}

// list shows what differs: completions of a long word without what they have in common, up to its last blank, each
// with its description.
func (l completedLine) list(found []completion) (lines []string) {
	common := found[0].text
	for _, f := range found {
		for !strings.HasPrefix(f.text, common) {
			common = common[:len(common)-1]
		}
	}
	cut := strings.LastIndexAny(common, " (,=") + 1
	width := 0
	for _, f := range found {
		width = max(width, len(f.text)-cut)
	}
	for _, f := range found {
		line := f.text[cut:]
		if f.description != "" {
			line = fmt.Sprintf("%-*s  -- %s", width, line, f.description)
		}
		lines = append(lines, line)
	}
	return lines
}

// afterBreak leaves out what bash does not count to the word: what stands before the last character that parts words.
func (l completedLine) afterBreak(text string) string {
	if l.typed.Quote != "" {
		return text
	}
	for i := len(l.typed.Raw) - 1; i >= 0; i-- {
		if strings.IndexByte(l.breaks, l.typed.Raw[i]) >= 0 && (i == 0 || l.typed.Raw[i-1] != '\\') && strings.HasPrefix(text, l.typed.Raw[:i+1]) {
			return text[i+1:]
		}
	}
	return text
}
