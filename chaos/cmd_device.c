/* SPDX-License-Identifier: BSD-3-Clause */
/* network-attach, -detach, -list, and the same for disks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/cli.h"

/* A kind of device: the first word of its commands, and what people read of it. */
struct device_text {
	const char *command;
	const struct device_words *words;
	int attach_words; /* an attach needs at least so many: "VM DISK" */
	void (*print_head)(void);
	void (*print_row)(const char *vm, const struct chaos_device *d);
	void (*print_line)(const struct chaos_device *d); /* between its id and its state */
};

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

/* --- vif --- */

static void print_vif_head(void)
{
	printf("%-20s %3s %-17s %-15s %-15s %5s %-10s %s\n", "VM", "ID", "MAC", "BRIDGE",
	       "INTERFACE", "MTU", "STATE", "IP");
}

static void print_vif_row(const char *vm, const struct chaos_device *d)
{
	printf("%-20s %3s %-17s %-15s %-15s %5u %-10s %s\n", vm, or_dash(d->id), d->mac,
	       or_dash(d->bridge), or_dash(d->ifname), d->mtu, d->state, or_dash(d->ip));
}

static void print_vif_line(const struct chaos_device *d)
{
	printf("%s, %s%s%s%s%s%s", d->mac,
	       d->netns[0]    ? "peer "
	       : d->bridge[0] ? "bridge "
			      : "no bridge",
	       d->netns[0] ? d->peer : d->bridge, d->netns[0] ? " of " : "", d->netns,
	       d->ifname[0] ? ", " : "", d->ifname);
}

/* --- disk --- */

static void print_disk_head(void)
{
	printf("%-20s %-6s %9s %-6s %-10s %s\n", "VM", "VDEV", "SIZE", "ACCESS", "STATE", "TARGET");
}

static void print_disk_row(const char *vm, const struct chaos_device *d)
{
	char size[32];

	format_kib((d->sectors + 1) / 2, size, sizeof(size));
	printf("%-20s %-6s %9s %-6s %-10s %s\n", vm, d->id, size,
	       d->cdrom	     ? "cdrom"
	       : d->readonly ? "ro"
			     : "rw",
	       d->state, d->path);
}

static void print_disk_line(const struct chaos_device *d)
{
	char size[32];

	format_kib((d->sectors + 1) / 2, size, sizeof(size));
	printf("%s, %s, %s", d->path, size, d->readonly ? "read-only" : "writable");
}

/* --- all kinds: a row for each of device_words[] --- */

static const struct device_text texts[] = {
	{"network", &device_words[0], 1, print_vif_head, print_vif_row, print_vif_line},
	{"block", &device_words[1], 2, print_disk_head, print_disk_row, print_disk_line},
};

static const struct device_text *text_of_command(const struct command *cmd)
{
	const struct device_text *t = texts;

	while (strncmp(cmd->name, t->command, strlen(t->command)) != 0)
		t++;
	return t;
}

/* NULL: a kind that only a newer chaosd has. */
static const struct device_text *text_of_device(const struct chaos_device *d)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].words->kind, d->kind) == 0)
			return &texts[i];
	return NULL;
}

static void print_row(const char *vm, const struct chaos_device *d)
{
	const struct device_text *t = text_of_device(d);

	if (t)
		t->print_row(vm, d);
	if (t && d->reason[0])
		printf("%-20s %s\n", "", d->reason);
}

void print_device(const struct chaos_device *d)
{
	const struct device_text *t = text_of_device(d);

	if (!t)
		return;
	printf("%-12s %s ", t->words->word, or_dash(d->id));
	t->print_line(d);
	printf(", %s%s%s\n", d->state, d->reason[0] ? ": " : "", d->reason);
}

/* --- attach --- */

/* Words are parts of one specification, as for xl. */
static char *join(const char *kind, char **words, int n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	(void)fprintf(f, "%s=", kind);
	for (int i = 0; i < n; i++)
		(void)fprintf(f, "%s%s", i ? "," : "", words[i]);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int on_warning(const struct wire_in *in, void *arg)
{
	char text[512];

	(void)arg;
	if (wire_get_text(in, PROTO_WARNING, text, sizeof(text)))
		(void)fprintf(stderr, "chaos: warning: %s\n", text);
	return 0;
}

/* The answer to attach and detach is the device. */
static int show_answer(const struct wire_in *in, json_t *json)
{
	struct chaos_device d;

	if (!decode_device(in, 0, &d))
		return 0;
	if (json)
		return json_array_append_new(json, device_json(&d));
	printf("%s\n", d.id);
	return 0;
}

static int attach(struct client *c, const struct device_text *t, char **words, int n, json_t *json,
		  struct err *e)
{
	char *spec = join(t->words->word, words + 1, n - 1);
	char cwd[4096];
	struct wire_out w;
	struct wire_in in;
	int rc;

	if (!spec)
		return err_set(e, ENOMEM, "out of memory");
	client_begin(c, &w, PROTO_REQ_ATTACH);
	wire_text(&w, PROTO_WHAT, words[0]);
	wire_text(&w, PROTO_SET, spec);
	if (getcwd(cwd, sizeof(cwd)))
		wire_text(&w, PROTO_CWD, cwd);
	free(spec);
	rc = client_send(c, &w, NULL, 0, e);
	if (rc == 0)
		rc = client_finish(c, &in, on_warning, NULL, e);
	return rc < 0 ? rc : show_answer(&in, json);
}

/* --- detach and list --- */

static int detach(struct client *c, const struct device_text *t, const char *vm, const char *id,
		  uint32_t flags, json_t *json, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	client_begin(c, &w, PROTO_REQ_DETACH);
	wire_text(&w, PROTO_WHAT, vm);
	wire_text(&w, PROTO_KIND, t->words->kind);
	wire_text(&w, PROTO_ID, id);
	if (flags)
		wire_u32(&w, PROTO_FLAGS, flags);
	rc = client_send(c, &w, NULL, 0, e);
	if (rc == 0)
		rc = client_finish(c, &in, NULL, NULL, e);
	return rc < 0 ? rc : show_answer(&in, json);
}

struct listing {
	const char *vm;
	json_t *json;
};

static int on_device(const struct wire_in *in, void *arg)
{
	const struct listing *l = arg;
	struct chaos_device d;
	json_t *j;

	if (!decode_device(in, 0, &d))
		return 0;
	if (!l->json) {
		print_row(l->vm, &d);
		return 0;
	}
	j = device_json(&d);
	(void)json_object_set_new(j, "vm", text_json(l->vm));
	return json_array_append_new(l->json, j);
}

static int list(struct client *c, const struct device_text *t, const char *vm, json_t *json,
		struct err *e)
{
	struct listing l = {vm, json};
	struct wire_out w;
	struct wire_in in;
	int rc;

	client_begin(c, &w, PROTO_REQ_DEVICES);
	wire_text(&w, PROTO_WHAT, vm);
	wire_text(&w, PROTO_KIND, t->words->kind);
	rc = client_send(c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(c, &in, on_device, &l, e);
}

static int run(const struct command *cmd, struct client *c, char **words, int n, uint32_t flags,
	       json_t *json)
{
	const struct device_text *t = text_of_command(cmd);
	struct err e = {0};
	int result = EXIT_DONE;

	if (strstr(cmd->name, "attach"))
		return attach(c, t, words, n, json, &e) < 0 ? failed(&e) : EXIT_DONE;
	if (strstr(cmd->name, "list") && !json)
		t->print_head();
	for (int i = strstr(cmd->name, "list") ? 0 : 1; i < n; i++) {
		int rc = strstr(cmd->name, "list")
				 ? list(c, t, words[i], json, &e)
				 : detach(c, t, words[0], words[i], flags, json, &e);

		if (rc < 0)
			result = failed(&e);
	}
	return result;
}

static int run_device(const struct command *cmd, int argc, char **argv)
{
	bool can_force = strstr(cmd->name, "detach");
	int least = strstr(cmd->name, "list")	  ? 1
		    : strstr(cmd->name, "attach") ? text_of_command(cmd)->attach_words
						  : 2;
	struct client client = {.fd = -1};
	struct err e = {0};
	struct plain_options o;
	int result = plain_options(cmd, argc, argv, can_force, &o);

	if (result != EXIT_DONE)
		return result;
	if (argc - optind < least)
		return usage(cmd, argc - optind < 1 ? "name a VM"
				  : can_force	    ? "name a device"
						    : "name a disk");
	if (client_open(&client, NULL, &e) < 0)
		return failed(&e);
	result = run(cmd, &client, argv + optind, argc - optind, o.flags, o.json);
	return conclude(&client, o.json, result);
}

/* --- commands --- */

static const char vif_attach_help[] =
	"Adds a network interface to a VM and prints its number. The keys are those of vif=[]\n"
	"(chaos.cfg(5)): mac=, bridge=, rate=, mtu=, ...\n" HELP_JSON;

static const char detach_help[] = "  -f, --force             remove it at once, without asking the "
				  "guest to release it\n" HELP_JSON;

static const char disk_attach_help[] =
	"Adds a disk to a VM and prints its name in the guest. The syntax is that of disk=[]\n"
	"(chaos.cfg(5)): /dev/vg/data,raw,xvdb,rw, or vdev=xvdb access=ro target=FILE.\n" HELP_JSON;

const struct command cmd_network_attach = {
	.name = "network-attach",
	.args = "VM [KEY=VALUE]...",
	.what = "add a network interface to a VM",
	.help = vif_attach_help,
	.run = run_device,
};
const struct command cmd_network_detach = {
	.name = "network-detach",
	.args = "[OPTION]... VM NUMBER|MAC|INTERFACE...",
	.what = "remove network interfaces from a VM",
	.help = detach_help,
	.run = run_device,
};
const struct command cmd_network_list = {
	.name = "network-list",
	.args = "[OPTION]... VM...",
	.what = "list network interfaces of VMs",
	.help = HELP_JSON,
	.run = run_device,
};
const struct command cmd_block_attach = {
	.name = "block-attach",
	.args = "VM DISK",
	.what = "add a disk to a VM",
	.help = disk_attach_help,
	.run = run_device,
};
const struct command cmd_block_detach = {
	.name = "block-detach",
	.args = "[OPTION]... VM VDEV...",
	.what = "remove disks from a VM",
	.help = detach_help,
	.run = run_device,
};
const struct command cmd_block_list = {
	.name = "block-list",
	.args = "[OPTION]... VM...",
	.what = "list disks of VMs",
	.help = HELP_JSON,
	.run = run_device,
};
