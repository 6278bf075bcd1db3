/* SPDX-License-Identifier: BSD-3-Clause */
/* host and metrics: what Xen and chaosd have, and how they do. */
#include <string.h>

#include "chaos/cli.h"

static const struct option longs[] = {
	{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static const char *about_room(const struct chaos_host *h)
{
	if (strcmp(h->store_room, "none") == 0)
		return " (its folder is full: nothing is answered)";
	if (strcmp(h->store_room, "tight") == 0)
		return " (its folder is full: guests may not grow there)";
	return "";
}

static void print_host(const struct chaos_host *h)
{
	char mem[32];
	char free_mem[32];
	char pool[32];

	format_kib(h->mem_kib, mem, sizeof(mem));
	format_kib(h->free_kib, free_mem, sizeof(free_mem));
	format_kib(h->pool_kib, pool, sizeof(pool));
	printf("chaosd  %s\nXen     %s\nstore   %s%s\ntypes   %s\ncpus    %u\nmemory  %s\n"
	       "free    %s\nVMs     %u\npool    %s\nguard   %s\n",
	       h->chaos, h->xen, h->store, about_room(h), h->pvh ? "pv pvh" : "pv", h->cpus, mem,
	       free_mem, h->vms, pool, h->tail_guard);
}

static int run_host(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct chaos_host h = {0};
	struct err e = {0};
	struct wire_in in;
	bool json = false;
	int rc;

	while (next_option(cmd, argc, argv, ":jh", longs) != -1)
		json = true;
	if (optind < argc)
		return usage(cmd, "unexpected argument \"%s\"", argv[optind]);
	rc = client_open(&client, NULL, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_HOST, NULL, 0, &e);
	if (rc == 0)
		rc = client_finish(&client, &in, NULL, NULL, &e);
	if (rc == 0)
		decode_host(&in, &h);
	client_close(&client);
	if (rc < 0)
		return failed(&e);
	if (json)
		return print_json(host_json(&h)) < 0 ? EXIT_FAILED : EXIT_DONE;
	print_host(&h);
	return EXIT_DONE;
}

static int print_data(const struct wire_in *in, void *arg)
{
	struct wire_field f;

	(void)arg;
	if (wire_find(in, PROTO_DATA, &f))
		(void)fwrite(f.data, 1, f.len, stdout);
	return 0;
}

static int run_metrics(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	int rc;

	(void)next_option(cmd, argc, argv, ":h", longs);
	if (optind < argc)
		return usage(cmd, "unexpected argument \"%s\"", argv[optind]);
	rc = client_open(&client, NULL, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_METRICS, NULL, 0, &e);
	if (rc == 0)
		rc = client_finish(&client, &in, print_data, NULL, &e);
	client_close(&client);
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

/* --- commands --- */

const struct command cmd_host = {
	.name = "host",
	.args = "[OPTION]...",
	.what = "show information about the host and chaosd",
	.help = HELP_JSON,
	.run = run_host,
};
const struct command cmd_metrics = {
	.name = "metrics",
	.args = "",
	.what = "print metrics for Prometheus",
	.run = run_metrics,
};
