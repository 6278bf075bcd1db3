/* SPDX-License-Identifier: BSD-3-Clause */
/* migrate: moves a VM to another host, where it continues. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chaos/migrate_source.h"

#define TIMEOUT_S   60 /* time for the other host to answer while the VM is stopped */
#define TIMEOUT_MAX 86400

/* --- the command --- */

static int print_result(const struct migration *m, bool json)
{
	uint64_t total = m->runs_at - m->start;
	uint64_t down = m->stopped_ns + m->runs_at - m->written_at;
	double rate = (double)m->bytes / 1048576 / ((double)total / 1e9);
	char size[32], rounds[32] = "";

	if (m->rounds)
		(void)snprintf(rounds, sizeof(rounds), " in %u round%s", m->rounds,
			       m->rounds == 1 ? "" : "s");
	if (json)
		return print_json(json_pack(
			"{s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:b, s:I, s:f, s:f, s:f}", "name",
			text_json(m->vm.name), "uuid", m->vm.uuid, "name_there", text_json(m->name),
			"domid_there", (json_int_t)m->domid, "bytes", (json_int_t)m->bytes, "pages",
			(json_int_t)m->pages, "pages_sent", (json_int_t)m->present, "live", m->live,
			"rounds", (json_int_t)m->rounds, "mib_s", rate, "stopped_us",
			(double)down / 1000, "total_us", (double)total / 1000));
	format_kib((m->bytes + 1023) / 1024, size, sizeof(size));
	printf("%s: %s, %" PRIu64 " pages of %" PRIu64
	       "%s, %.1f ms (%.1f MiB/s), stood still for %.1f ms\n",
	       m->vm.name, size, m->present, m->pages, rounds, (double)total / 1e6, rate,
	       (double)down / 1e6);
	return 0;
}

static int parse_timeout(const char *text, int *ms)
{
	char *end;
	unsigned long s = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || s == 0 || s > TIMEOUT_MAX)
		return -EINVAL;
	*ms = (int)s * 1000;
	return 0;
}

static bool is_one_way(struct migrate_way *w, int argc, char **argv)
{
	int others = (w->command != NULL) + (w->tcp != NULL) + (w->unix_path != NULL);

	if (argc - optind == 2 && others == 0)
		w->host = argv[optind + 1];
	return (argc - optind == 2 && others == 0) || (argc - optind == 1 && others == 1);
}

static int finish(struct migration *m, enum outcome o, bool json, const struct err *e)
{
	int status;

	client_close(&m->c);
	status = link_close(&m->l);
	if (o == MOVED)
		return print_result(m, json) < 0 ? EXIT_FAILED : EXIT_DONE;
	if (o == STAYS && status && e->code == EPIPE)
		(void)fprintf(stderr, "chaos: %s: its program ended with status %d\n", err_msg(e),
			      status);
	else
		(void)failed(e);
	return o == UNSURE ? EXIT_UNSURE : EXIT_FAILED;
}

static int run_migrate(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"command", required_argument, NULL, 'c'},
					      {"tcp", required_argument, NULL, 't'},
					      {"unix", required_argument, NULL, 'u'},
					      {"timeout", required_argument, NULL, 'T'},
					      {"disk", required_argument, NULL, 'd'},
					      {"stop", no_argument, NULL, 's'},
					      {"paths", no_argument, NULL, 'p'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct migration m = {.c = {.fd = -1},
			      .beside = {.fd = -1},
			      .l = {.in = -1, .out = -1},
			      .timeout_ms = TIMEOUT_S * 1000,
			      .live = true,
			      .start = clock_ns()};
	struct migrate_way w = {0};
	enum outcome o = STAYS;
	uint32_t flags = 0;
	struct err e = {0};
	bool json = false;
	int c;

	while ((c = next_option(cmd, argc, argv, ":c:t:u:T:d:spjh", longs)) != -1) {
		if (c == 'c')
			w.command = optarg;
		else if (c == 't')
			w.tcp = optarg;
		else if (c == 'u')
			w.unix_path = optarg;
		else if (c == 'T' && parse_timeout(optarg, &m.timeout_ms) < 0)
			return usage(cmd, "--timeout \"%s\": give 1 to %d seconds", optarg,
				     TIMEOUT_MAX);
		else if (c == 'd' && disks_flag(w.disk = optarg, &flags, &e) < 0)
			return usage(cmd, "%s", err_msg(&e));
		else if (c == 'p')
			w.paths = true;
		else if (c == 's')
			m.live = false;
		else if (c == 'j')
			json = true;
	}
	if (!is_one_way(&w, argc, argv))
		return usage(cmd, "name a VM, and a host or one of --command, --tcp and --unix");
	if ((w.disk || w.paths) && !w.host)
		return usage(cmd,
			     "%s needs a host; with --command, --tcp and --unix give it to "
			     "migrate-receive on the other host",
			     w.disk ? "--disk" : "--paths");
	if (w.host && w.host[0] == '-')
		return usage(cmd, "\"%s\" is not the name of a host", w.host);
	(void)signal(SIGPIPE, SIG_IGN);
	if (client_open(&m.c, NULL, &e) == 0)
		o = migrate_away(&m, argv[optind], &w, &e);
	return finish(&m, o, json, &e);
}

static const char migrate_help[] =
	"Moves a VM to another host, where it continues. \"chaos migrate VM HOST\" runs\n"
	"\"ssh HOST chaos migrate-receive\"; --command, --tcp and --unix are other connections.\n"
	"A PVH guest runs while it is copied: in rounds, of the pages that it has written, and is "
	"stopped\n"
	"for the last ones. A PV guest is stopped for the whole copy. If something fails, the VM "
	"runs on\n"
	"one of the two hosts, never on both. If that cannot be found out, the exit status is 3, "
	"and a\n"
	"message says what to do.\n"
	"\n"
	"  -c, --command COMMAND   use standard input and output of this command, for example\n"
	"                          \"ssh HOST chaos migrate-receive\"\n"
	"  -t, --tcp ADDR:PORT     connect to \"chaos migrate-receive --listen ADDR:PORT\"; not "
	"encrypted\n"
	"  -u, --unix PATH         connect to a Unix socket, for example of a TLS proxy\n"
	"  -d, --disk WHAT         its disks on the other host: keep, readonly, none, or copy; "
	"see\n"
	"                          migrate-receive\n"
	"  -p, --paths             the other host uses its kernel, ramdisk and on_* keys; see\n"
	"                          migrate-receive\n"
	"  -s, --stop              stop the guest for the whole copy\n"
	"  -T, --timeout S         seconds to wait for an answer while the VM is stopped "
	"(60)\n" HELP_JSON;

const struct command cmd_migrate = {
	.name = "migrate",
	.args = "[OPTION]... VM [HOST]",
	.what = "move a VM to another host",
	.help = migrate_help,
	.run = run_migrate,
};
