/* SPDX-License-Identifier: BSD-3-Clause */
/* pool: what is made ahead. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "chaos/cli.h"

void flavor_text(const struct chaos_flavor *f, char *to, size_t room)
{
	char mem[32];

	format_kib(f->mem_kib, mem, sizeof(mem));
	(void)snprintf(to, room, "%s %s x%u%s%s%s", f->type, mem, f->vcpus,
		       *f->image || *f->from || f->for_linux ? " " : "", *f->from ? "from " : "",
		       *f->image      ? f->image
		       : *f->from     ? f->from
		       : f->for_linux ? "for Linux"
				      : "");
}

static int on_flavor(const struct wire_in *in, void *arg)
{
	json_t *json = arg;
	struct chaos_flavor f;
	char water[32];
	char rate[16];
	char held[32];
	char mem[32];

	if (!decode_flavor(in, &f))
		return 0;
	if (json)
		return json_array_append_new(json, flavor_json(&f));
	format_kib(f.mem_kib, mem, sizeof(mem));
	format_kib(f.held_kib, held, sizeof(held));
	(void)snprintf(water, sizeof(water), "%u-%u", f.low, f.high);
	if (f.hits + f.misses)
		(void)snprintf(rate, sizeof(rate), "%" PRIu64 "%%",
			       f.hits * 100 / (f.hits + f.misses));
	else
		(void)snprintf(rate, sizeof(rate), "-");
	printf("%-4s %7s %5u %9s %6u %6u %8" PRIu64 " %5s %7s  %s%s%s%s\n", f.type, mem, f.vcpus,
	       water, f.target, f.ready, f.hits, rate, held, *f.from ? "from " : "",
	       *f.image	     ? f.image
	       : *f.from     ? f.from
	       : f.for_linux ? "(any Linux)"
			     : "(any noxs)",
	       *f.ramdisk ? " + " : "", f.ramdisk);
	if (f.vifs || f.vbds)
		printf("     %u vifs%s%s%s, %u vbds\n", f.vifs, *f.bridge ? " in " : "", f.bridge,
		       f.vifs && *f.backend == 'u' ? " (user-space)" : "", f.vbds);
	if (*f.ready_when || *f.macs || *f.ips)
		printf("     ready %s%s%s%s%s\n", *f.ready_when ? f.ready_when : "devices",
		       *f.macs ? ", mac " : "", f.macs, *f.ips ? ", ip " : "", f.ips);
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

static int run_pool(const struct command *cmd, int argc, char **argv)
{
	struct client client = {.fd = -1};
	struct plain_options o;
	struct err e = {0};
	struct wire_in in;
	int rc = plain_options(cmd, argc, argv, false, &o);

	if (rc != EXIT_DONE)
		return rc;
	if (optind < argc && strcmp(argv[optind], "set") != 0)
		return usage(cmd, "\"%s\" is neither an option nor \"set\"", argv[optind]);
	if (optind + 1 == argc)
		return usage(cmd, "set: give a flavor, such as type=pv memory=4 count=8");
	rc = client_open(&client, NULL, &e);
	if (rc == 0 && optind < argc)
		rc = set_flavor(&client, argc - optind - 1, argv + optind + 1, &e);
	if (rc == 0)
		rc = ask(&client, PROTO_REQ_POOL, NULL, 0, &e);
	if (rc == 0 && !o.json)
		printf("%-4s %7s %5s %9s %6s %6s %8s %5s %7s  %s\n", "TYPE", "MEMORY", "VCPUS",
		       "LOW-HIGH", "TARGET", "READY", "HITS", "RATE", "HELD", "IMAGE");
	if (rc == 0)
		rc = client_finish(&client, &in, on_flavor, o.json, &e);
	if (rc == 0)
		return conclude(&client, o.json, EXIT_DONE);
	json_decref(o.json);
	return conclude(&client, NULL, failed(&e));
}

static const char pool_help[] =
	"Shows the pool: domains made ahead (\"shells\"), by flavor. \"set\" adds or changes a "
	"flavor;\n"
	"count=0 removes it. Example: chaos pool set type=pvh memory=4 count=8\n"
	"\n" HELP_JSON "\n"
	"Words of a flavor:\n"
	"  type=pv|pvh             default: pv\n"
	"  memory=SIZE             MiB, or a number with K, M or G\n"
	"  vcpus=N                 default: 1\n"
	"  count=N                 shells to keep ready; the same as low=N high=N\n"
	"  low=N                   the smallest number of shells\n"
	"  high=N                  the largest number; demand decides between low and high\n"
	"  for=noxs|linux          the shells take any image of that kind; default: noxs\n"
	"  fork=no|yes             for VMs with the key fork, and their children; default: no\n"
	"  image=PATH              shells have this image loaded; or image:NAME\n"
	"  gate=yes|no             start shells up to their gate, if the image has one; default: "
	"yes\n"
	"  ramdisk=PATH            the ramdisk of a Linux image\n"
	"  vifs=N                  network interfaces, connected ahead (noxs)\n"
	"  vbds=N                  disks, connected when a VM takes the shell (noxs)\n"
	"  bridge=NAME             the bridge of the interfaces\n"
	"  backend=kernel|user     what serves the interfaces; default: kernel\n"
	"  from=SNAPSHOT           shells are copies of it, for \"create --from\"\n"
	"  overcommit=no|yes       reserve no memory for pages that such copies share; default: "
	"no\n"
	"Copies of a Linux guest run until they are ready, and then wait paused:\n"
	"  ready=WHEN              devices (are connected), store:NODE, tcp:PORT or milliseconds\n"
	"  mac=FIRST-LAST          each gets one of these\n"
	"  ip=FIRST-LAST/PREFIX    each finds one of these in its store node vm-data/ip\n"
	"  disk=same|readonly|none which disks of the snapshot's VM each gets\n";

const struct command cmd_pool = {
	.name = "pool",
	.args = "[OPTION]... [set KEY=VALUE...]",
	.what = "list and change the pool of domains made ahead",
	.help = pool_help,
	.run = run_pool,
};
