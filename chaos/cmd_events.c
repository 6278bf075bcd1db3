/* SPDX-License-Identifier: BSD-3-Clause */
/* events: one line for each thing that happens to a VM. */
#include <string.h>
#include <time.h>

#include "chaos/cli.h"

static int print_event(const char *event, uint64_t when, const struct vm_view *v, bool json)
{
	time_t s = (time_t)(when / 1000000000u);
	char text[32] = "";
	char end[64] = "";
	struct tm tm;
	json_t *j;
	int rc;

	if (gmtime_r(&s, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	if (!json) {
		if (strcmp(event, "exited") == 0)
			view_end_text(v, end, sizeof(end));
		return printf("%s.%03uZ %-9s %s%s%s\n", text, (unsigned int)(when / 1000000 % 1000),
			      event, v->name, *end ? " " : "", end) < 0
			       ? -1
			       : 0;
	}
	j = json_object();
	(void)json_object_set_new(j, "event", json_string(event));
	(void)json_object_set_new(j, "time_ns", json_integer((json_int_t)when));
	(void)json_object_set_new(j, "vm", view_json(v));
	rc = json_dumpf(j, stdout, JSON_COMPACT);
	json_decref(j);
	return rc == 0 && putchar('\n') != EOF ? 0 : -1;
}

int cmd_events(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct err e = {0};
	bool json = false;
	int rc;

	while (next_option(cmd, argc, argv, ":jh", longs) != -1)
		json = true;
	if (optind < argc)
		return usage(cmd, "\"%s\" is too much", argv[optind]);
	rc = client_open(&client, NULL, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_EVENTS, NULL, 0, &e);
	while (rc == 0) {
		char event[16] = "";
		struct wire_in in;
		struct vm_view v;

		rc = client_receive(&client, &in, &e);
		if (rc < 0 || !wire_get_text(&in, PROTO_EVENT, event, sizeof(event)) ||
		    !view_read(&in, &v))
			continue;
		if (print_event(event, wire_get_u64(&in, PROTO_WHEN, 0), &v, json) < 0 ||
		    fflush(stdout) != 0)
			break;
	}
	client_close(&client);
	return rc < 0 ? failed(&e) : EXIT_FAILED;
}
