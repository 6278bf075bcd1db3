/* SPDX-License-Identifier: BSD-3-Clause */
/* sleep and wake: VMs without a domain. */
#include <errno.h>
#include <string.h>

#include "chaos/stats.h"

/* One VM: prints its name, or adds to `json`. */
static int sleep_one(struct client *c, const char *what, json_t *json, struct err *e)
{
	struct stats s = {0};
	struct wire_in in;
	json_t *j;
	int rc = ask(c, PROTO_REQ_SLEEP, what, 0, e);

	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc < 0)
		return rc;
	read_stats(&in, &s);
	if (!json) {
		printf("%s\n", s.name);
		return 0;
	}
	j = json_pack("{s:o}", "name", text_json(s.name));
	(void)add_stats(j, &s);
	(void)json_object_set_new(j, "stopped_us", json_real((double)s.stopped_ns / 1000));
	(void)json_array_append_new(json, j);
	return 0;
}

static int wake_one(struct client *c, const char *what, uint32_t flags, json_t *json, struct err *e)
{
	struct stats s = {0};
	struct chaos_vm v;
	struct wire_in in;
	char way[16] = "";
	json_t *j;
	int rc = ask(c, PROTO_REQ_WAKE, what, flags, e);

	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc < 0)
		return rc;
	if (!decode_vm(&in, &v))
		return err_set(e, EPROTO, "the answer of chaosd has no VM in it");
	if (!json) {
		printf("%s\n", v.name);
		return 0;
	}
	read_stats(&in, &s);
	(void)wire_get_text(&in, PROTO_WAY, way, sizeof(way));
	j = vm_json(&v);
	(void)json_object_set_new(j, "way", json_string(way));
	(void)add_stats(j, &s);
	(void)json_array_append_new(json, j);
	return 0;
}

static int run_sleep(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct err e = {0};
	struct plain_options o;
	int result = plain_options(cmd, argc, argv, false, &o);

	if (result != EXIT_DONE)
		return result;
	if (optind >= argc)
		return usage(cmd, "name a VM");
	if (client_open(&client, NULL, &e) < 0)
		return failed(&e);
	for (int i = optind; i < argc; i++)
		if (sleep_one(&client, argv[i], o.json, &e) < 0)
			result = failed(&e);
	return conclude(&client, o.json, result);
}

static int run_wake(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"paused", no_argument, NULL, 'p'},
					      {"disk", required_argument, NULL, 'd'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct err e = {0};
	json_t *json = NULL;
	uint32_t flags = 0;
	int result = EXIT_DONE;
	int c;

	while ((c = next_option(cmd, argc, argv, ":pd:jh", longs)) != -1) {
		if (c == 'p')
			flags |= PROTO_F_PAUSED;
		else if (c == 'd' && strcmp(optarg, "keep") == 0)
			flags |= PROTO_F_DISKS_KEEP;
		else if (c == 'd')
			return usage(cmd, "--disk: \"keep\" is the only choice");
		else
			json = json ? json : json_array();
	}
	if (optind >= argc)
		return usage(cmd, "name a VM");
	if (client_open(&client, NULL, &e) < 0)
		return failed(&e);
	for (int i = optind; i < argc; i++)
		if (wake_one(&client, argv[i], flags, json, &e) < 0)
			result = failed(&e);
	return conclude(&client, json, result);
}

static const char sleep_help[] = "Saves VMs in chaosd's own folder and ends their domains. They "
				 "keep name, uuid, console log and\n"
				 "configuration, and use no memory. \"chaos wake\" continues them, "
				 "also after a reboot of the host.\n"
				 "If a VM cannot be saved, it continues.\n" HELP_JSON;

const struct command cmd_sleep = {
	.name = "sleep",
	.args = "[OPTION]... VM...",
	.what = "save VMs in chaosd and end their domains",
	.help = sleep_help,
	.run = run_sleep,
};

static const char wake_help[] =
	"Continues VMs that are asleep, in new domains.\n"
	"\n"
	"  -p, --paused            leave them paused; chaos unpause runs them\n"
	"  -d, --disk keep         use disks that were written while the VM was asleep\n" HELP_JSON;

const struct command cmd_wake = {
	.name = "wake",
	.args = "[OPTION]... VM...",
	.what = "continue VMs that are asleep",
	.help = wake_help,
	.run = run_wake,
};
