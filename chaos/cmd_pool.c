/* SPDX-License-Identifier: BSD-3-Clause */
/* pool: what is made ahead. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "chaos/cli.h"

static int on_flavor(const struct wire_in *in, void *arg)
{
	json_t *json = arg;
	struct wire_field f;
	struct wire_in v;
	char type[8] = "";
	char image[4096] = "";
	char mem[32];

	if (!wire_find(in, PROTO_FLAVOR, &f) || wire_nested(&v, &f) < 0)
		return 0;
	(void)wire_get_text(&v, PROTO_TYPE, type, sizeof(type));
	(void)wire_get_text(&v, PROTO_KERNEL, image, sizeof(image));
	if (json) {
		json_t *j = json_pack("{s:s,s:I,s:i,s:i,s:i,s:I}", "type", type, "memory_kib",
				      (json_int_t)wire_get_u64(&v, PROTO_MEM_KIB, 0), "vcpus",
				      (int)wire_get_u32(&v, PROTO_VCPUS, 0), "target",
				      (int)wire_get_u32(&v, PROTO_TARGET, 0), "ready",
				      (int)wire_get_u32(&v, PROTO_READY, 0), "hits",
				      (json_int_t)wire_get_u64(&v, PROTO_HITS, 0));

		(void)json_object_set_new(j, "image", *image ? json_string(image) : json_null());
		(void)json_array_append_new(json, j);
		return 0;
	}
	format_kib(wire_get_u64(&v, PROTO_MEM_KIB, 0), mem, sizeof(mem));
	printf("%-4s %7s %5u %6u %6u %8" PRIu64 "  %s\n", type, mem,
	       wire_get_u32(&v, PROTO_VCPUS, 0), wire_get_u32(&v, PROTO_TARGET, 0),
	       wire_get_u32(&v, PROTO_READY, 0), wire_get_u64(&v, PROTO_HITS, 0),
	       *image ? image : "(any)");
	return 0;
}

static int set_flavor(struct client *c, int n, char **words, struct err *e)
{
	char text[4096] = "";
	struct wire_out w;
	struct wire_in in;
	int rc;

	for (int i = 0; i < n; i++) {
		size_t used = strlen(text);

		if (snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", words[i]) >=
		    (int)(sizeof(text) - used))
			return err_set(e, E2BIG, "pool: the flavor is too long");
	}
	client_begin(c, &w, PROTO_REQ_POOL_SET);
	wire_text(&w, PROTO_TEXT, text);
	rc = client_send(c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(c, &in, NULL, NULL, e);
}

int cmd_pool(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct err e = {0};
	struct wire_in in;
	json_t *json = NULL;
	int rc;

	while (next_option(cmd, argc, argv, ":jh", longs) != -1)
		json = json ? json : json_array();
	if (optind < argc && strcmp(argv[optind], "set") != 0)
		return usage(cmd, "\"%s\" is neither an option nor \"set\"", argv[optind]);
	if (optind + 1 == argc)
		return usage(cmd, "set what? for example: set type=pv memory=4 count=8");
	rc = client_open(&client, NULL, &e);
	if (rc == 0 && optind < argc)
		rc = set_flavor(&client, argc - optind - 1, argv + optind + 1, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_POOL, NULL, 0, &e);
	if (rc == 0 && !json)
		printf("%-4s %7s %5s %6s %6s %8s  %s\n", "TYPE", "MEMORY", "VCPUS", "TARGET",
		       "READY", "HITS", "IMAGE");
	if (rc == 0)
		rc = client_finish(&client, &in, on_flavor, json, &e);
	client_close(&client);
	if (rc < 0) {
		json_decref(json);
		return failed(&e);
	}
	return json && print_json(json) < 0 ? EXIT_FAILED : EXIT_DONE;
}
