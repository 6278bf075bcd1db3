/* SPDX-License-Identifier: BSD-3-Clause */
/* image: what chaosd keeps. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "chaos/cli.h"

static void print_image(const struct chaos_image *i)
{
	char mem[32];
	char size[32];

	format_kib(i->min_kib, mem, sizeof(mem));
	format_kib((i->bytes + 1023) / 1024, size, sizeof(size));
	printf("%-24s %-12.12s %-6s %-5s %7s %7s\n", i->name, i->digest, i->types,
	       i->linux_kernel ? "linux"
	       : i->noxs       ? "noxs"
			       : "xen",
	       size, mem);
}

struct looking {
	json_t *json;
	char **names; /* those wanted; NULL: all */
	int n, found;
	bool whole;
};

static int on_image(const struct wire_in *in, void *arg)
{
	struct looking *l = arg;
	struct chaos_image i;
	bool wanted = !l->names;

	if (!decode_image(in, &i))
		return 0;
	for (int k = 0; k < l->n; k++)
		wanted = wanted || strcmp(l->names[k], i.name) == 0;
	if (!wanted)
		return 0;
	l->found++;
	if (l->json)
		return json_array_append_new(l->json, image_json(&i));
	if (!l->whole) {
		print_image(&i);
		return 0;
	}
	printf("%sname      %s\ndigest    sha256:%s\ntypes     %s\nguest     %s\nnoxs      %s\n"
	       "builder   %s\nsize      %" PRIu64 " bytes\nmemory    %" PRIu64
	       " KiB at the least\n",
	       l->found > 1 ? "\n" : "", i.name, i.digest, i.types, i.guest_os,
	       i.noxs ? "yes" : "no", i.linux_kernel ? "linux" : "own", i.bytes, i.min_kib);
	return 0;
}

static int list(struct client *c, struct looking *l, struct err *e)
{
	struct wire_in in;
	int rc = ask(c, PROTO_REQ_IMAGES, NULL, 0, e);

	if (rc == 0 && !l->json && !l->whole)
		printf("%-24s %-12s %-6s %-5s %7s %7s\n", "NAME", "DIGEST", "TYPES", "KIND", "SIZE",
		       "MEMORY");
	if (rc == 0)
		rc = client_finish(c, &in, on_image, l, e);
	if (rc == 0 && l->names && l->found < l->n)
		rc = err_set(e, ENOENT, "no image \"%s\"; \"chaos image list\" shows what there is",
			     l->names[0]);
	return rc;
}

static int import_one(struct client *c, const char *path, const char *name, struct looking *l,
		      struct err *e)
{
	const char *slash = strrchr(path, '/');
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct chaos_image i;
	struct wire_out w;
	struct wire_in in;
	int rc;

	if (fd < 0)
		return err_sys(e, errno, "image \"%s\"", path);
	client_begin(c, &w, PROTO_REQ_IMAGE_IMPORT);
	wire_text(&w, PROTO_NAME, name ? name : slash ? slash + 1 : path);
	wire_u32(&w, PROTO_KERNEL_FD, 0);
	rc = client_send(c, &w, &fd, 1, e);
	(void)close(fd);
	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	if (rc == 0 && !decode_image(&in, &i))
		rc = err_set(e, EPROTO, "the answer of chaosd has no image in it");
	if (rc < 0)
		return rc;
	if (l->json)
		(void)json_array_append_new(l->json, image_json(&i));
	else
		printf("image:%s\n", i.name);
	return 0;
}

static int remove_all(struct client *c, struct looking *l, struct err *e)
{
	int rc = 0;

	for (int k = 0; l->names && k < l->n && rc == 0; k++) {
		struct wire_out w;
		struct wire_in in;

		client_begin(c, &w, PROTO_REQ_IMAGE_RM);
		wire_text(&w, PROTO_NAME, l->names[k]);
		rc = client_send(c, &w, NULL, 0, e);
		if (rc == 0)
			rc = client_finish(c, &in, NULL, NULL, e);
		if (rc == 0 && l->json)
			(void)json_array_append_new(l->json, text_json(l->names[k]));
		else if (rc == 0)
			printf("%s\n", l->names[k]);
	}
	return rc;
}

static int run_image(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct client client = {.fd = -1};
	struct looking l = {0};
	struct err e = {0};
	const char *verb;
	int rc;

	while (next_option(cmd, argc, argv, ":jh", longs) != -1)
		l.json = l.json ? l.json : json_array();
	verb = optind < argc ? argv[optind++] : "list";
	l.names = optind < argc ? argv + optind : NULL;
	l.n = argc - optind;
	if (strcmp(verb, "import") == 0 && (l.n < 1 || l.n > 2))
		return usage(cmd, "import: give a file, and optionally a name");
	if ((strcmp(verb, "rm") == 0 || strcmp(verb, "inspect") == 0) && l.n < 1)
		return usage(cmd, "%s: name an image", verb);
	if (strcmp(verb, "list") == 0 && l.names)
		return usage(cmd, "unexpected argument \"%s\"", l.names[0]);
	rc = client_open(&client, NULL, &e);
	l.whole = strcmp(verb, "inspect") == 0;
	if (rc < 0)
		;
	else if (strcmp(verb, "import") == 0 && l.names)
		rc = import_one(&client, l.names[0], l.n > 1 ? l.names[1] : NULL, &l, &e);
	else if (strcmp(verb, "rm") == 0)
		rc = remove_all(&client, &l, &e);
	else if (strcmp(verb, "list") == 0 || l.whole)
		rc = list(&client, &l, &e);
	else
		rc = -1;
	client_close(&client);
	if (rc == -1) {
		json_decref(l.json);
		return usage(cmd, "\"%s\" is none of import, list, inspect, rm", verb);
	}
	if (rc < 0) {
		json_decref(l.json);
		return failed(&e);
	}
	return l.json && print_json(l.json) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static const char image_help[] =
	"Manages images that chaosd stores; \"chaos create --kernel image:NAME\" boots one. "
	"Without\n"
	"arguments lists them.\n"
	"\n"
	"  import FILE [NAME]      check FILE and store a copy; the default NAME is its file name\n"
	"  list                    list images\n"
	"  inspect NAME...         show details\n"
	"  rm NAME...              remove images\n" HELP_JSON;

const struct command cmd_image = {
	.name = "image",
	.args = "[OPTION]... [import|list|inspect|rm WORD...]",
	.what = "manage images stored by chaosd",
	.help = image_help,
	.run = run_image,
};
