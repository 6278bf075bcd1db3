/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by all commands: options, help, and printing errors. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "chaos/cli.h"

void print_help(const struct command *cmd, FILE *to)
{
	(void)fprintf(to, "usage: chaos %s %s\n\n", cmd->name, cmd->args);
	if (!cmd->help || cmd->help[0] == ' ')
		(void)fprintf(to, "%c%s.\n%s", toupper(cmd->what[0]), cmd->what + 1,
			      cmd->help ? "\n" : "");
	if (cmd->help)
		(void)fputs(cmd->help, to);
}

int usage(const struct command *cmd, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "chaos %s: ", cmd->name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "; see \"chaos %s --help\"\n", cmd->name);
	return EXIT_USAGE;
}

int failed(const struct err *e)
{
	(void)fprintf(stderr, "chaos: %s\n", err_msg(e));
	return EXIT_FAILED;
}

int next_option(const struct command *cmd, int argc, char **argv, const char *letters,
		const struct option *longs)
{
	int c = getopt_long(argc, argv, letters, longs, NULL);

	if (c == 'h') {
		print_help(cmd, stdout);
		exit(EXIT_DONE);
	}
	if (c == '?' || c == ':') {
		const char *what = argv[optind - 1];

		exit(usage(cmd,
			   c == ':' ? "option \"%s\" needs a value" : "option \"%s\" is unknown",
			   what));
	}
	return c;
}

int plain_options(const struct command *cmd, int argc, char **argv, bool can_force,
		  struct plain_options *out)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"force", no_argument, NULL, 'f'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int c;

	*out = (struct plain_options){0};
	while ((c = next_option(cmd, argc, argv, ":jfh", longs)) != -1) {
		if (c == 'j')
			out->json = out->json ? out->json : json_array();
		else if (can_force)
			out->flags |= PROTO_F_FORCE;
		else
			return usage(cmd, "option \"%s\" is unknown", argv[optind - 1]);
	}
	return EXIT_DONE;
}

int conclude(struct client *c, json_t *json, int result)
{
	client_close(c);
	return json && print_json(json) < 0 ? EXIT_FAILED : result;
}
