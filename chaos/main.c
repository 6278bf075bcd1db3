/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos: finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "chaos/cli.h"

static int run_help(const struct command *cmd, int argc, char **argv);

static const struct command cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.what = "print this text, or the help of a command",
	.run = run_help,
};

#define COMMAND_ADDRESS(name) &cmd_##name,
static const struct command *const commands[] = {COMMANDS(COMMAND_ADDRESS) COMMAND_ADDRESS(help)};
static const unsigned int ncommands = sizeof(commands) / sizeof(commands[0]);

static void print_overview(FILE *to)
{
	(void)fputs("usage: chaos COMMAND [ARGUMENT]...\n\nRuns small Xen VMs. VM is a name, a "
		    "domain id "
		    "or a uuid.\n\n",
		    to);
	for (unsigned int i = 0; i < ncommands; i++)
		(void)fprintf(to, "  %-15s %s\n", commands[i]->name, commands[i]->what);
	(void)fputs("\n\"chaos help COMMAND\" or \"chaos COMMAND --help\" has details; see also "
		    "chaos(1).\n",
		    to);
}

static const struct command *find_command(const char *name)
{
	for (unsigned int i = 0; i < ncommands; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int run_help(const struct command *cmd, int argc, char **argv)
{
	const struct command *about;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_overview(stdout);
		return EXIT_DONE;
	}
	about = find_command(argv[1]);
	if (!about)
		return usage(cmd, "there is no command \"%s\"", argv[1]);
	print_help(about, stdout);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	int rc;

	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_overview(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("chaos %s\n", CHAOS_VERSION);
		return EXIT_DONE;
	}
	cmd = find_command(argv[1]);
	if (!cmd) {
		(void)fprintf(stderr, "chaos: there is no command \"%s\"; see \"chaos help\"\n",
			      argv[1]);
		return EXIT_USAGE;
	}
	opterr = 0;
	rc = cmd->run(cmd, argc - 1, argv + 1);
	if (fflush(stdout) != 0 && rc == EXIT_DONE) {
		perror("chaos: standard output");
		rc = EXIT_FAILED;
	}
	return rc;
}
