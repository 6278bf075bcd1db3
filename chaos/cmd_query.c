/* SPDX-License-Identifier: BSD-3-Clause */
/* list, info, version. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "chaos/cli.h"

int ask(struct client *c, enum proto_op op, const char *what, uint32_t flags, struct err *e)
{
	struct wire_out w;

	client_begin(c, &w, op);
	if (what)
		wire_text(&w, PROTO_WHAT, what);
	if (flags)
		wire_u32(&w, PROTO_FLAGS, flags);
	return client_send(c, &w, NULL, 0, e);
}

/* --- list --- */

struct listing {
	bool quiet;
	json_t *json;
	uint64_t now;
};

static void print_row(const struct chaos_vm *v, uint64_t now)
{
	char mem[32];
	char age[32] = "-";
	char id[16] = "-";
	char state[192];

	format_kib(v->mem_kib, mem, sizeof(mem));
	if (v->domid == 0 && v->ended_ns)
		format_age(now > v->ended_ns ? now - v->ended_ns : 0, age, sizeof(age));
	else if (v->started_ns)
		format_age(now > v->started_ns ? now - v->started_ns : 0, age, sizeof(age));
	if (v->domid || strcmp(v->state, "foreign") == 0)
		(void)snprintf(id, sizeof(id), "%u", v->domid);
	(void)snprintf(state, sizeof(state), "%s", v->state);
	if (strcmp(v->state, "ended") == 0 || strcmp(v->state, "preserved") == 0)
		print_end_text(v, state, sizeof(state));
	else if (strcmp(v->state, "unknown") == 0)
		(void)snprintf(state, sizeof(state), "unknown: %s", v->reason);
	printf("%-24s %5s %-4s %7s %5u %9.1f %9s  %s\n", v->name[0] ? v->name : "-", id, v->type,
	       mem, v->vcpus, (double)v->cpu_ns / 1e9, age, state);
}

static int on_vm(const struct wire_in *in, void *arg)
{
	struct listing *l = arg;
	struct chaos_vm v;

	if (!decode_vm(in, &v))
		return 0;
	if (l->json)
		(void)json_array_append_new(l->json, vm_json(&v));
	else if (!l->quiet)
		print_row(&v, l->now);
	else if (v.name[0] && strcmp(v.state, "foreign") != 0)
		printf("%s\n", v.name);
	return 0;
}

static int run_list(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {
		{"all", no_argument, NULL, 'a'},   {"own", no_argument, NULL, 'o'},
		{"quiet", no_argument, NULL, 'q'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},  {NULL, 0, NULL, 0}};
	struct listing l = {.now = clock_wall_ns()};
	struct client client = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	uint32_t flags = PROTO_F_FOREIGN;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":aoqjh", longs)) != -1) {
		if (c == 'a')
			flags |= PROTO_F_ALL;
		else if (c == 'o')
			flags &= ~PROTO_F_FOREIGN;
		else if (c == 'q')
			l.quiet = true;
		else
			l.json = l.json ? l.json : json_array();
	}
	if (optind < argc)
		return usage(cmd, "unexpected argument \"%s\"; \"chaos info\" shows single VMs",
			     argv[optind]);
	rc = client_open(&client, NULL, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_LIST, NULL, flags, &e);
	if (rc == 0 && !l.json && !l.quiet)
		printf("%-24s %5s %-4s %7s %5s %9s %9s  %s\n", "NAME", "ID", "TYPE", "MEMORY",
		       "VCPUS", "CPU(s)", "AGE", "STATE");
	if (rc == 0)
		rc = client_finish(&client, &in, on_vm, &l, &e);
	client_close(&client);
	if (rc < 0) {
		json_decref(l.json);
		return failed(&e);
	}
	if (l.json && print_json(l.json) < 0)
		return EXIT_FAILED;
	return EXIT_DONE;
}

/* --- info --- */

static void add_devices(const struct wire_in *in, json_t *vm)
{
	json_t *list = json_array();
	struct chaos_device d;

	for (uint32_t i = 0; decode_device(in, i, &d); i++)
		(void)json_array_append_new(list, device_json(&d));
	(void)json_object_set_new(vm, "devices", list);
}

static void show(const struct wire_in *in, const struct chaos_vm *v, json_t *json)
{
	struct chaos_device d;
	json_t *j;

	if (!json) {
		print_vm(v);
		for (uint32_t i = 0; decode_device(in, i, &d); i++)
			print_device(&d);
		return;
	}
	j = vm_json(v);
	add_devices(in, j);
	(void)json_array_append_new(json, j);
}

static const struct option json_only[] = {
	{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int run_info(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct err e = {0};
	json_t *json = NULL;
	int result = EXIT_DONE;
	int rc;

	while (next_option(cmd, argc, argv, ":jh", json_only) != -1)
		json = json ? json : json_array();
	if (optind >= argc)
		return usage(cmd, "name a VM");
	rc = client_open(&client, NULL, &e);
	if (rc < 0)
		return failed(&e);
	for (int i = optind; i < argc; i++) {
		struct wire_in in;
		struct chaos_vm v;

		rc = ask(&client, PROTO_REQ_INFO, argv[i], 0, &e);
		if (rc == 0)
			rc = client_finish(&client, &in, NULL, NULL, &e);
		if (rc < 0 || !decode_vm(&in, &v)) {
			result = failed(&e);
			continue;
		}
		show(&in, &v, json);
		if (!json && i + 1 < argc)
			putchar('\n');
	}
	return conclude(&client, json, result);
}

/* --- version --- */

static int run_version(const struct command *cmd, int argc, char **argv)
{
	char version[32] = "";
	char xen[64] = "";
	char store[16] = "";
	struct client client = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	bool json = false;
	int rc;

	while (next_option(cmd, argc, argv, ":jh", json_only) != -1)
		json = true;
	if (optind < argc)
		return usage(cmd, "unexpected argument \"%s\"", argv[optind]);
	rc = client_open(&client, NULL, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_VERSION_INFO, NULL, 0, &e);
	if (rc == 0)
		rc = client_finish(&client, &in, NULL, NULL, &e);
	if (rc == 0) {
		(void)wire_get_text(&in, PROTO_VERSION_TEXT, version, sizeof(version));
		(void)wire_get_text(&in, PROTO_XEN, xen, sizeof(xen));
		(void)wire_get_text(&in, PROTO_STORE, store, sizeof(store));
	}
	client_close(&client);
	if (json) {
		json_t *j = json_pack("{s:s}", "chaos", CHAOS_VERSION);

		if (rc == 0)
			(void)json_object_update_new(j,
						     json_pack("{s:s,s:s,s:s}", "chaosd", version,
							       "xen", xen, "store", store));
		if (print_json(j) < 0)
			return EXIT_FAILED;
	} else {
		printf("chaos  %s\n", CHAOS_VERSION);
		if (rc == 0)
			printf("chaosd %s\nXen    %s\nstore  %s\n", version, xen, store);
	}
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

/* --- commands --- */

static const char list_help[] = "  -a, --all               include VMs that have ended\n"
				"  -o, --own               leave out domains of other toolstacks\n"
				"  -q, --quiet             print names only\n" HELP_JSON;

const struct command cmd_list = {
	.name = "list",
	.args = "[OPTION]...",
	.what = "list VMs",
	.help = list_help,
	.run = run_list,
};
const struct command cmd_info = {
	.name = "info",
	.args = "[OPTION]... VM...",
	.what = "show details of VMs",
	.help = HELP_JSON,
	.run = run_info,
};
const struct command cmd_version = {
	.name = "version",
	.args = "[OPTION]...",
	.what = "print versions of chaos, chaosd and Xen",
	.help = HELP_JSON,
	.run = run_version,
};
