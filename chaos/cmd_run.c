/* SPDX-License-Identifier: BSD-3-Clause */
/* run: create, console, exit code. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/create.h"

static char *join(char **words, int n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (int i = 0; i < n; i++)
		(void)fprintf(f, "%s%s", i ? " " : "", words[i]);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void forget(struct client *c, const struct chaos_vm *v)
{
	struct wire_in in;

	if (ask(c, PROTO_REQ_RM, v->uuid, 0, NULL) == 0)
		(void)client_finish(c, &in, NULL, NULL, NULL);
}

/* Uses a separate connection, because on the first one the answer of the console is still open. */
static int end_interrupted(const struct chaos_vm *v)
{
	struct client c = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	int rc = client_open(&c, NULL, &e);

	if (rc == 0)
		rc = ask(&c, PROTO_REQ_DESTROY, v->uuid, 0, &e);
	if (rc == 0)
		rc = client_finish(&c, &in, NULL, NULL, &e);
	client_close(&c);
	(void)fprintf(stderr, "chaos: interrupted; \"%s\" was destroyed\n", v->name);
	return rc < 0 ? failed(&e) : EXIT_INTERRUPTED;
}

static int run_run(const struct command *cmd, int argc, char **argv)
{
	struct create_args a = {.quiet = true};
	struct client client = {.fd = -1};
	struct chaos_vm v;
	struct err e = {0};
	bool ended = false;
	char *line;
	int rc;
	int c;

	/* Added first, so that the user's settings override it. */
	create_add_set(&a, "memory", "32");
	create_add_set(&a, "on_reboot", "destroy");
	while ((c = next_option(cmd, argc, argv, ":r:m:t:n:v:ih", create_options)) != -1)
		create_read_option(&a, c);
	if (a.from)
		return usage(cmd, "--from is an option of \"chaos create\"");
	if (optind >= argc)
		return usage(cmd, "name an image");
	a.kernel = argv[optind++];
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0 && strcmp(argv[optind], "--") == 0)
		optind++;
	line = join(argv + optind, argc - optind);
	if (!line)
		return EXIT_FAILED;
	create_add_set(&a, "cmdline", line);
	free(line);
	rc = create_one(&a, &client, &v);
	create_args_clear(&a);
	if (rc == EXIT_DONE) {
		uint32_t flags = PROTO_F_LOG | PROTO_F_FOLLOW | (a.interactive ? PROTO_F_INPUT : 0);

		catch_interrupts();
		rc = stream_console(&client, v.uuid, flags, &ended, &v, &e);
		if (rc == -EINTR) /* as for a process: ^C ends it */
			rc = end_interrupted(&v);
		else if (rc < 0)
			rc = failed(&e);
		else if (ended)
			rc = exit_of(&v);
		if (ended && strcmp(v.reason, "poweroff") != 0) {
			char text[192];

			print_end_text(&v, text, sizeof(text));
			(void)fprintf(stderr, "chaos: \"%s\" ended: %s\n", v.name, text);
		}
	}
	if (ended && a.rm)
		forget(&client, &v);
	client_close(&client);
	return rc;
}

static const char run_help[] =
	"Creates a VM, prints its console until it ends, and exits with its exit code, with 134 if "
	"it\n"
	"crashed or 137 if it was destroyed. The words after -- are its command line.\n"
	"Example: chaos run /usr/lib/chaos/guests/hello -m 256K -- who=world\n"
	"\n"
	"  -m, --memory SIZE       MiB (32), or a number with K, M or G\n"
	"  -r, --ramdisk FILE\n"
	"  -t, --type TYPE         pv (default) or pvh\n"
	"  -n, --name NAME\n"
	"  -v, --vcpus N\n"
	"      --vif SPEC          add a network interface; \"\" has all defaults\n"
	"      --disk SPEC         add a disk\n"
	"      --set KEY=TEXT      set any other key (chaos.cfg(5))\n"
	"      --no-wait-devices   run it even if backends of its devices are missing\n"
	"  -i, --interactive       pass input to the console; ^] detaches\n"
	"      --rm                remove the VM from the history when it has ended\n";

const struct command cmd_run = {
	.name = "run",
	.args = "[OPTION]... IMAGE [-- WORD...]",
	.what = "run a VM in the foreground",
	.help = run_help,
	.run = run_run,
};
