/* SPDX-License-Identifier: BSD-3-Clause */
/* pause, unpause, destroy, rm, rename, shutdown, reboot, wait. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chaos/cli.h"

/* One request to one VM; prints its name. */
static int one(struct client *c, enum proto_op op, const char *what, uint32_t flags, json_t *json,
	       struct err *e)
{
	struct wire_in in;
	char name[160] = "";
	int rc = ask(c, op, what, flags, e);

	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc < 0)
		return rc;
	(void)wire_get_text(&in, PROTO_NAME, name, sizeof(name));
	if (json)
		(void)json_array_append_new(json, text_json(name));
	else
		printf("%s\n", name);
	return 0;
}

static int run_simple(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct err e = {0};
	struct plain_options o;
	int result = plain_options(cmd, argc, argv, strcmp(cmd->name, "rm") == 0, &o);

	if (result != EXIT_DONE)
		return result;
	if (optind >= argc)
		return usage(cmd, "name a VM");
	if (client_open(&client, NULL, &e) < 0)
		return failed(&e);
	for (int i = optind; i < argc; i++)
		if (one(&client, cmd->op, argv[i], o.flags, o.json, &e) < 0)
			result = failed(&e);
	return conclude(&client, o.json, result);
}

static int run_rename(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct plain_options o;
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	int rc = plain_options(cmd, argc, argv, false, &o);

	if (rc != EXIT_DONE)
		return rc;
	if (argc - optind != 2)
		return usage(cmd, "name a VM and its new name");
	rc = client_open(&client, NULL, &e);
	if (rc == 0) {
		client_begin(&client, &w, PROTO_REQ_RENAME);
		wire_text(&w, PROTO_WHAT, argv[optind]);
		wire_text(&w, PROTO_NAME, argv[optind + 1]);
		rc = client_send(&client, &w, NULL, 0, &e);
	}
	if (rc == 0)
		rc = client_finish(&client, &in, NULL, NULL, &e);
	if (rc < 0) {
		json_decref(o.json);
		return conclude(&client, NULL, failed(&e));
	}
	if (o.json)
		(void)json_array_append_new(o.json, text_json(argv[optind + 1]));
	else
		printf("%s\n", argv[optind + 1]);
	return conclude(&client, o.json, EXIT_DONE);
}

/* --- waiting --- */

struct patience {
	bool limited;
	uint64_t until; /* clock_ns() */
};

static int set_patience(const struct command *cmd, const char *text, struct patience *p)
{
	char *end = NULL;
	double s = strtod(text, &end);

	if (end == text || *end || s < 0 || s > 1e9)
		return usage(cmd, "--timeout \"%s\": give a number of seconds", text);
	p->limited = true;
	p->until = clock_ns() + (uint64_t)(s * 1e9);
	return EXIT_DONE;
}

/* Waits for the answer to the open request, until the timeout. */
static int receive(struct client *c, struct wire_in *in, const struct patience *p, const char *what,
		   struct err *e)
{
	struct pollfd fd = {.fd = c->fd, .events = POLLIN};

	while (p->limited) {
		uint64_t now = clock_ns();
		int ms = now >= p->until ? 0 : (int)((p->until - now + 999999) / 1000000 % 1000000);

		if (poll(&fd, 1, ms) > 0)
			break;
		if (clock_ns() >= p->until)
			return err_set(e, ETIMEDOUT, "\"%s\" has not ended in time", what);
	}
	return client_finish(c, in, NULL, NULL, e);
}

/* `told` is the name that the user has given. */
static int wait_for(struct client *c, const char *what, const char *told, uint32_t flags,
		    const struct patience *p, json_t *json, struct err *e)
{
	struct wire_in in;
	struct chaos_vm v;
	int rc = ask(c, PROTO_REQ_WAIT, what, flags, e);

	if (rc == 0)
		rc = receive(c, &in, p, told, e);
	if (rc < 0 || !decode_vm(&in, &v))
		return rc;
	if (json)
		(void)json_array_append_new(json, vm_json(&v));
	else if (strcmp(v.state, "ended") != 0 && strcmp(v.state, "preserved") != 0)
		printf("%s %s\n", v.name, "ready");
	else if (v.exit_code >= 0)
		printf("%s %s %d\n", v.name, v.reason, v.exit_code);
	else
		printf("%s %s\n", v.name, v.reason);
	return 0;
}

static const struct option wait_longs[] = {
	{"wait", no_argument, NULL, 'w'},	   {"ready", no_argument, NULL, 'r'},
	{"timeout", required_argument, NULL, 't'}, {"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0}};

/* The uuid of a VM, which is used to wait for it because its name may be given to another VM. */
static int uuid_of(struct client *c, const char *what, char uuid[37], struct err *e)
{
	struct wire_in in;
	struct chaos_vm v;
	int rc = ask(c, PROTO_REQ_INFO, what, 0, e);

	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc == 0 && decode_vm(&in, &v))
		memcpy(uuid, v.uuid, sizeof(v.uuid));
	return rc;
}

/* Sends the request; *uuid is the VM to wait for, empty after a failure. */
static int request_end(struct client *c, enum proto_op op, const char *what, char uuid[37],
		       struct err *e)
{
	struct wire_in in;
	int rc;

	uuid[0] = '\0';
	rc = uuid_of(c, what, uuid, e);
	if (rc == 0)
		rc = ask(c, op, uuid, 0, e);
	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc < 0)
		uuid[0] = '\0';
	return rc;
}

/* First sends all requests, then waits. */
static int end_and_wait(struct client *c, enum proto_op op, char **what, int n,
			const struct patience *p, json_t *json)
{
	char(*uuid)[37] = calloc((size_t)n, sizeof(*uuid));
	struct err e = {0};
	int result = EXIT_DONE;

	if (!uuid) {
		(void)err_set(&e, ENOMEM, "out of memory");
		return failed(&e);
	}
	for (int i = 0; i < n; i++)
		if (request_end(c, op, what[i], uuid[i], &e) < 0)
			result = failed(&e);
	for (int i = 0; i < n; i++) {
		if (uuid[i][0] && wait_for(c, uuid[i], what[i], 0, p, json, &e) < 0) {
			result = failed(&e);
			break; /* the answer will still come: the connection cannot be used any more
				*/
		}
	}
	free(uuid);
	return result;
}

static int run_end(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct patience p = {0};
	struct err e = {0};
	json_t *json = NULL;
	bool wait = false;
	int result = EXIT_DONE;
	int c;

	while ((c = next_option(cmd, argc, argv, ":wt:jh", wait_longs)) != -1) {
		if (c == 'w')
			wait = true;
		else if (c == 'j')
			json = json ? json : json_array();
		else if (set_patience(cmd, optarg, &p) != EXIT_DONE)
			return EXIT_USAGE;
	}
	if (optind >= argc)
		return usage(cmd, "name a VM");
	if (client_open(&client, NULL, &e) < 0)
		return failed(&e);
	if (wait)
		result = end_and_wait(&client, cmd->op, argv + optind, argc - optind, &p, json);
	for (int i = optind; !wait && i < argc; i++)
		if (one(&client, cmd->op, argv[i], 0, json, &e) < 0)
			result = failed(&e);
	return conclude(&client, json, result);
}

static int run_wait(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct patience p = {0};
	struct err e = {0};
	json_t *json = NULL;
	uint32_t flags = 0;
	int result = EXIT_DONE;
	int c;

	while ((c = next_option(cmd, argc, argv, ":rt:jh", wait_longs)) != -1) {
		if (c == 'r')
			flags |= PROTO_F_READY;
		else if (c == 'j')
			json = json ? json : json_array();
		else if (c == 'w')
			return usage(cmd, "option \"--wait\" is not needed here");
		else if (set_patience(cmd, optarg, &p) != EXIT_DONE)
			return EXIT_USAGE;
	}
	if (optind >= argc)
		return usage(cmd, "name a VM");
	if (client_open(&client, NULL, &e) < 0)
		return failed(&e);
	for (int i = optind; i < argc; i++) {
		int rc = wait_for(&client, argv[i], argv[i], flags, &p, json, &e);

		if (rc < 0)
			result = failed(&e);
		if (rc == -ETIMEDOUT)
			break;
	}
	return conclude(&client, json, result);
}

/* --- commands --- */

static const char end_help[] =
	"  -w, --wait              wait until they have ended\n"
	"  -t, --timeout SECONDS   with --wait: fail after that time\n" HELP_JSON;

static const char rm_help[] =
	"  -f, --force             destroy VMs first that have not ended\n" HELP_JSON;

static const char wait_help[] =
	"Waits until the VMs have ended, and prints name, reason and exit code of each.\n"
	"\n"
	"  -r, --ready             wait until they are ready, or have ended\n"
	"  -t, --timeout SECONDS   fail after that time\n" HELP_JSON;

const struct command cmd_pause = {
	.name = "pause",
	.args = "VM...",
	.what = "pause VMs",
	.help = HELP_JSON,
	.run = run_simple,
	.op = PROTO_REQ_PAUSE,
};
const struct command cmd_unpause = {
	.name = "unpause",
	.args = "VM...",
	.what = "let paused VMs continue",
	.help = HELP_JSON,
	.run = run_simple,
	.op = PROTO_REQ_UNPAUSE,
};
const struct command cmd_rename = {
	.name = "rename",
	.args = "VM NAME",
	.what = "rename a VM",
	.help = HELP_JSON,
	.run = run_rename,
};
const struct command cmd_shutdown = {
	.name = "shutdown",
	.args = "[OPTION]... VM...",
	.what = "request guests to power off",
	.help = end_help,
	.run = run_end,
	.op = PROTO_REQ_SHUTDOWN,
};
const struct command cmd_reboot = {
	.name = "reboot",
	.args = "[OPTION]... VM...",
	.what = "request guests to reboot",
	.help = end_help,
	.run = run_end,
	.op = PROTO_REQ_REBOOT,
};
const struct command cmd_destroy = {
	.name = "destroy",
	.args = "VM...",
	.what = "destroy VMs at once",
	.help = HELP_JSON,
	.run = run_simple,
	.op = PROTO_REQ_DESTROY,
};
const struct command cmd_rm = {
	.name = "rm",
	.args = "[OPTION]... VM...",
	.what = "remove VMs that have ended, and their logs",
	.help = rm_help,
	.run = run_simple,
	.op = PROTO_REQ_RM,
};
const struct command cmd_wait = {
	.name = "wait",
	.args = "[OPTION]... VM...",
	.what = "wait until VMs have ended",
	.help = wait_help,
	.run = run_wait,
};
