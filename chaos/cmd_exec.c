/* SPDX-License-Identifier: BSD-3-Clause */
/* exec: a command in a VM that runs an agent. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/agent.h"
#include "join/join.h"

struct execution {
	const char *vm, *cwd, *user;
	json_t *env;
	bool input, terminal;
	int timeout_ms;
	int files[3];
	int never; /* the write end of a pipe that is the input and stays empty */
};

static int connection = -1;

static void pass_on(int number)
{
	join_tell(connection, number == SIGWINCH ? CONTROL_WINDOW : CONTROL_KILL, (uint32_t)number);
}

static void catch_signals(bool terminal)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	struct sigaction a = {.sa_handler = pass_on};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sigaction(numbers[i], &a, NULL);
	if (terminal) {
		(void)sigaction(SIGWINCH, &a, NULL);
		pass_on(SIGWINCH); /* it may have changed meanwhile */
	}
}

/* --- words --- */

/* "NAME=VALUE", or "NAME" as it is here; false: that is not set here. */
static bool add_variable(struct execution *x, const char *text)
{
	const char *value = strchr(text, '=') ? NULL : getenv(text);

	if (!*text || *text == '=' || (!value && !strchr(text, '=')))
		return false;
	(void)json_array_append_new(x->env,
				    value ? json_sprintf("%s=%s", text, value) : json_string(text));
	return true;
}

static json_t *words_of(const struct execution *x, char **command)
{
	json_t *args = json_array();

	for (; *command; command++)
		(void)json_array_append_new(args, json_string(*command));
	return json_pack("{s:o, s:O, s:b, s:s*, s:s*}", "args", args, "env", x->env, "terminal",
			 x->terminal, "cwd", x->cwd, "user", x->user);
}

/* --- files --- */

static int open_files(struct execution *x, struct err *e)
{
	int pair[2] = {-1, -1};

	if (x->input) {
		x->files[0] = join_own_file(0);
	} else if (x->terminal) { /* its end would be typed */
		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(e, errno, "make a pipe for standard input");
		x->files[0] = pair[0];
		x->never = pair[1];
	} else {
		x->files[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	x->files[1] = join_own_file(1);
	x->files[2] = join_own_file(2);
	for (int i = 0; i < 3; i++)
		if (x->files[i] < 0)
			return err_sys(e, errno, "open standard %s for the command",
				       i == 0	? "input"
				       : i == 1 ? "output"
						: "error");
	return 0;
}

static void close_files(const struct execution *x)
{
	for (int i = 0; i < 3; i++)
		if (x->files[i] >= 0)
			(void)close(x->files[i]);
}

/* --- the command --- */

static int execute(struct execution *x, char **command, struct err *e)
{
	json_t *words = words_of(x, command);
	int rc = words ? open_files(x, e) : err_set(e, EINVAL, "the command is not valid UTF-8");

	if (rc == 0)
		rc = connection = agent_start(x->vm, words, x->files, x->timeout_ms, e);
	json_decref(words);
	close_files(x);
	if (rc < 0)
		return rc;
	catch_signals(x->terminal);
	if (x->terminal && x->input)
		join_raw();
	do {
		rc = agent_wait(connection, e);
	} while (rc == -EINTR);
	return rc == -EPIPE ? EXIT_DESTROYED : rc;
}

static const struct option longs[] = {
	{"interactive", no_argument, NULL, 'i'}, {"tty", no_argument, NULL, 't'},
	{"env", required_argument, NULL, 'e'},	 {"workdir", required_argument, NULL, 'w'},
	{"user", required_argument, NULL, 'u'},	 {"timeout", required_argument, NULL, 'T'},
	{"help", no_argument, NULL, 'h'},	 {NULL, 0, NULL, 0}};

/* EXIT_USAGE is an exit status of commands, too. */
static int wrong(const struct command *cmd, const char *what, const char *word)
{
	(void)usage(cmd, "%s%s%s%s", what, word ? " \"" : "", word ? word : "", word ? "\"" : "");
	return EXIT_OWN;
}

static int read_options(const struct command *cmd, struct execution *x, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "+:ite:w:u:T:h", longs, NULL)) != -1) {
		if (c == 'h') {
			print_help(cmd, stdout);
			exit(EXIT_DONE);
		}
		if (c == '?' || c == ':')
			return wrong(cmd, c == '?' ? "no such option:" : "a value is missing:",
				     argv[optind - 1]);
		x->input = x->input || c == 'i';
		x->terminal = x->terminal || c == 't';
		if (c == 'w')
			x->cwd = optarg;
		else if (c == 'u')
			x->user = optarg;
		else if (c == 'e' && !add_variable(x, optarg))
			return wrong(cmd, "--env: neither NAME=VALUE nor set here:", optarg);
		else if (c == 'T' && (x->timeout_ms = agent_read_timeout(optarg)) < 0)
			return wrong(cmd, "--timeout: no number of seconds:", optarg);
	}
	return 0;
}

static int run_exec(const struct command *cmd, int argc, char **argv)
{
	struct execution x = {.timeout_ms = AGENT_TIMEOUT_MS, .files = {-1, -1, -1}, .never = -1};
	const char *kind = getenv("TERM");
	struct err e = {0};
	int rc;

	x.env = json_array();
	rc = read_options(cmd, &x, argc, argv);
	if (rc == 0 && optind < argc) {
		x.vm = argv[optind++];
		rc = read_options(cmd, &x, argc, argv);
	}
	if (rc == 0 && (!x.vm || optind >= argc))
		rc = wrong(cmd, "name a VM and a command", NULL);
	if (rc == 0 && x.terminal && x.input && !isatty(0))
		rc = wrong(cmd, "--tty --interactive: standard input is no terminal", NULL);
	if (rc == 0 && x.terminal)
		(void)json_array_insert_new(
			x.env, 0, json_sprintf("TERM=%s", kind && *kind ? kind : "xterm"));
	if (rc == 0) {
		rc = execute(&x, argv + optind, &e);
		if (e.code)
			(void)failed(&e);
		if (rc < 0)
			rc = agent_exit_code(rc);
	}
	json_decref(x.env);
	return rc;
}

static const char exec_help[] =
	"Runs a command in a VM of Linux that runs chaos' agent (key agent=1, and containers of\n"
	"chaos-oci), and exits with its exit code: 125 if chaos itself failed, 126 if the command\n"
	"cannot be run, 127 if there is no such command, 128+N if signal N ended it.\n"
	"\n"
	"  -i, --interactive       pass on standard input\n"
	"  -t, --tty               give it a terminal\n"
	"  -e, --env NAME=VALUE    set a variable; NAME alone: to its value here\n"
	"  -w, --workdir DIR\n"
	"  -u, --user USER[:GROUP] names of the VM, or numbers\n"
	"  -T, --timeout SECONDS   time to wait for the agent (60)\n";

const struct command cmd_exec = {
	.name = "exec",
	.args = "[OPTION]... VM [OPTION]... [--] COMMAND [WORD]...",
	.what = "run a command in a VM of Linux",
	.help = exec_help,
	.run = run_exec,
};
