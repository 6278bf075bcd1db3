/* SPDX-License-Identifier: BSD-3-Clause */
/* events: one line for each thing that happens to a VM. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chaos/cli.h"

static void print_lost(uint64_t lost, bool json)
{
	if (json)
		printf("{\"event\":\"lost\",\"count\":%" PRIu64 "}\n", lost);
	else
		printf("(%" PRIu64 " events were lost)\n", lost);
}

static int print_event(const struct wire_in *in, const char *event, bool json)
{
	uint64_t when = wire_get_u64(in, PROTO_WHEN, 0);
	time_t s = (time_t)(when / 1000000000u);
	struct chaos_flavor f;
	struct chaos_vm v;
	bool is_vm = decode_vm(in, &v);
	bool is_flavor = !is_vm && decode_flavor(in, &f);
	char text[32] = "";
	char end[192] = "";
	struct tm tm;
	json_t *j;
	int rc;

	if (gmtime_r(&s, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	if (!json) {
		if (strcmp(event, "exited") == 0 || strcmp(event, "crashed") == 0)
			print_end_text(&v, end, sizeof(end));
		if (is_flavor)
			flavor_text(&f, v.name, sizeof(v.name));
		return printf("%s.%03uZ %-9s %s%s%s\n", text, (unsigned int)(when / 1000000 % 1000),
			      event, v.name, *end ? " " : "", end) < 0
			       ? -1
			       : 0;
	}
	j = event_json(wire_get_u64(in, PROTO_EVENT_ID, 0), event, when, is_vm ? &v : NULL,
		       is_flavor ? &f : NULL);
	rc = json_dumpf(j, stdout, JSON_COMPACT);
	json_decref(j);
	return rc == 0 && putchar('\n') != EOF ? 0 : -1;
}

static int run_events(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"since", required_argument, NULL, 's'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct err e = {0};
	uint64_t since = UINT64_MAX;
	struct wire_out w;
	bool json = false;
	char *rest = NULL;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":js:h", longs)) != -1) {
		if (c == 'j') {
			json = true;
			continue;
		}
		since = strtoull(optarg, &rest, 10);
		if (*rest || rest == optarg)
			return usage(cmd, "--since \"%s\": give the number of an event", optarg);
	}
	if (optind < argc)
		return usage(cmd, "unexpected argument \"%s\"", argv[optind]);
	rc = client_open(&client, NULL, &e);
	if (rc == 0) {
		client_begin(&client, &w, PROTO_REQ_EVENTS);
		if (since != UINT64_MAX)
			wire_u64(&w, PROTO_SINCE, since);
		rc = client_send(&client, &w, NULL, 0, &e);
	}
	while (rc == 0) {
		char event[16] = "";
		struct wire_in in;
		uint64_t lost;

		rc = client_receive(&client, &in, &e);
		if (rc < 0)
			continue;
		lost = wire_get_u64(&in, PROTO_LOST, 0);
		if (lost)
			print_lost(lost, json);
		else if (!wire_get_text(&in, PROTO_EVENT, event, sizeof(event)))
			continue;
		else if (print_event(&in, event, json) < 0)
			break;
		if (fflush(stdout) != 0)
			break;
	}
	client_close(&client);
	return rc < 0 ? failed(&e) : EXIT_FAILED;
}

static const char events_help[] =
	"Prints events until ^C. Events of VMs: created, started, ready, paused, unpaused, "
	"renamed,\n"
	"saving, asleep, exited, crashed, preserved, destroyed, removed. Event of the pool: "
	"pool-low.\n"
	"\n"
	"  -s, --since ID          begin with the event after this one (--json prints IDs)\n"
	"  -j, --json              print one JSON object for each event\n";

const struct command cmd_events = {
	.name = "events",
	.args = "[OPTION]...",
	.what = "print events of VMs",
	.help = events_help,
	.run = run_events,
};
