/* SPDX-License-Identifier: BSD-3-Clause */
/* top: VMs by what they use, again and again. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/cli.h"

/* The last values of a VM. */
struct row {
	char uuid[37], name[64], state[16];
	uint32_t domid;
	uint64_t cpu_ns, mem_kib, console_bytes;
	double cpu; /* percent of one CPU since the last values; -1: the VM is new */
};

struct look {
	struct row *row;
	uint32_t n, room;
	uint64_t when;
};

static int on_vm(const struct wire_in *in, void *arg)
{
	struct look *l = arg;
	struct chaos_vm v;
	struct row *r;

	if (!decode_vm(in, &v))
		return 0;
	if (l->n == l->room) {
		uint32_t room = l->room ? l->room * 2 : 64;
		struct row *grown = realloc(l->row, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->row = grown;
		l->room = room;
	}
	r = &l->row[l->n++];
	memset(r, 0, sizeof(*r));
	(void)snprintf(r->uuid, sizeof(r->uuid), "%s", v.uuid);
	(void)snprintf(r->name, sizeof(r->name), "%.63s", v.name);
	(void)snprintf(r->state, sizeof(r->state), "%s", v.state);
	r->domid = v.domid;
	r->cpu_ns = v.cpu_ns;
	r->mem_kib = v.mem_kib;
	r->console_bytes = v.console_bytes;
	r->cpu = -1;
	return 0;
}

static int by_uuid(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->uuid, ((const struct row *)b)->uuid);
}

static int by_cpu(const void *a, const void *b)
{
	const struct row *x = a;
	const struct row *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* Both are sorted by uuid. */
static void compare(struct look *now, const struct look *before)
{
	double ns = (double)(now->when - before->when);

	for (uint32_t i = 0, k = 0; i < now->n; i++) {
		while (k < before->n && by_uuid(&before->row[k], &now->row[i]) < 0)
			k++;
		if (k < before->n && by_uuid(&before->row[k], &now->row[i]) == 0 && ns > 0 &&
		    now->row[i].cpu_ns >= before->row[k].cpu_ns)
			now->row[i].cpu =
				100.0 * (double)(now->row[i].cpu_ns - before->row[k].cpu_ns) / ns;
	}
}

static uint32_t lines_of_terminal(void)
{
	struct winsize w;

	if (ioctl(1, TIOCGWINSZ, &w) < 0 || w.ws_row < 5)
		return 24;
	return w.ws_row;
}

static void print_look(const struct look *l, bool batch)
{
	uint32_t most = batch ? l->n : lines_of_terminal() - 4;
	uint64_t mem = 0;
	double cpu = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		if (strcmp(l->row[i].state, "asleep") != 0)
			mem += l->row[i].mem_kib;
		cpu += l->row[i].cpu > 0 ? l->row[i].cpu : 0;
	}
	if (!batch)
		printf("\033[H\033[J");
	printf("%u VMs, %.1f %% of a CPU, %" PRIu64 " MiB\n\n", l->n, cpu, mem >> 10);
	printf("%-28s %6s %-9s %7s %10s %8s %12s\n", "NAME", "DOMID", "STATE", "CPU %", "CPU",
	       "MEMORY", "CONSOLE");
	for (uint32_t i = 0; i < l->n && i < most; i++) {
		const struct row *r = &l->row[i];
		char percent[16] = "-";
		char size[32];

		if (r->cpu >= 0)
			(void)snprintf(percent, sizeof(percent), "%.1f", r->cpu);
		format_kib(r->mem_kib, size, sizeof(size));
		printf("%-28.28s %6u %-9s %7s %9.3fs %8s %12" PRIu64 "\n", r->name, r->domid,
		       r->state, percent, (double)r->cpu_ns / 1e9, size, r->console_bytes);
	}
	if (batch)
		(void)putchar('\n');
	(void)fflush(stdout);
}

/* True: the user has pressed q. */
static bool wait_or_key(double seconds, bool keys)
{
	struct pollfd p = {0, POLLIN, 0};
	char c;

	if (poll(&p, keys ? 1 : 0, (int)(seconds * 1000)) < 0)
		return true; /* a signal */
	return keys && (p.revents & POLLIN) && (read(0, &c, 1) != 1 || c == 'q' || c == 3);
}

static int read_vms(struct client *c, struct look *l, struct err *e)
{
	struct wire_in in;
	int rc = ask(c, PROTO_REQ_LIST, NULL, 0, e);

	l->n = 0;
	if (rc == 0)
		rc = client_finish(c, &in, on_vm, l, e);
	if (rc == -ENOMEM)
		rc = err_set(e, ENOMEM, "out of memory");
	l->when = clock_ns();
	if (rc == 0 && l->n)
		qsort(l->row, l->n, sizeof(*l->row), by_uuid);
	return rc;
}

static int watch(struct client *c, double delay, unsigned long n, bool batch, bool keys,
		 struct err *e)
{
	struct look now = {0};
	struct look before = {0};
	struct look shown = {0};
	int rc = 0;

	for (unsigned long i = 0; rc == 0 && (n == 0 || i < n); i++) {
		struct look swap = before;

		if (i && wait_or_key(delay, keys))
			break;
		before = now;
		now = swap;
		rc = read_vms(c, &now, e);
		if (rc < 0)
			break;
		compare(&now, &before);
		shown.row = malloc((now.n + 1) * sizeof(*shown.row));
		if (!shown.row) {
			rc = err_set(e, ENOMEM, "out of memory");
			break;
		}
		shown.n = now.n;
		if (now.n)
			memcpy(shown.row, now.row, now.n * sizeof(*shown.row));
		qsort(shown.row, shown.n, sizeof(*shown.row), by_cpu);
		print_look(&shown, batch);
		free(shown.row);
	}
	free(now.row);
	free(before.row);
	return rc;
}

static void nothing(int sig)
{
	(void)sig;
}

static int run_top(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"delay", required_argument, NULL, 'd'},
					      {"iterations", required_argument, NULL, 'n'},
					      {"batch", no_argument, NULL, 'b'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct sigaction sa = {.sa_handler = nothing};
	struct client client = {.fd = -1};
	bool batch = !isatty(1);
	struct termios saved = {0};
	struct termios raw;
	struct err e = {0};
	unsigned long n = 0;
	double delay = 1;
	bool keys;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":d:n:bh", longs)) != -1) {
		char *end = NULL;

		if (c == 'b') {
			batch = true;
			continue;
		}
		if (c == 'd')
			delay = strtod(optarg, &end);
		else
			n = strtoul(optarg, &end, 10);
		if (*end || end == optarg || !(delay >= 0.1 && delay <= 3600))
			return usage(cmd, "\"%s\": %s", optarg,
				     c == 'd' ? "0.1 to 3600 seconds" : "a number is needed");
	}
	if (optind < argc)
		return usage(cmd, "unexpected argument \"%s\"", argv[optind]);
	keys = !batch && tcgetattr(0, &saved) == 0;
	rc = client_open(&client, NULL, &e);
	if (rc == 0 && keys) {
		raw = saved;
		raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
		(void)tcsetattr(0, TCSANOW, &raw);
	}
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	if (rc == 0)
		rc = watch(&client, delay, n, batch, keys, &e);
	if (keys)
		(void)tcsetattr(0, TCSANOW, &saved);
	client_close(&client);
	return rc < 0 ? failed(&e) : EXIT_DONE;
}

static const char top_help[] =
	"Shows the CPU time and memory that VMs use, sorted by CPU, until ^C or q.\n"
	"\n"
	"  -d, --delay SECONDS     between two updates (default: 1)\n"
	"  -n, --iterations N      end after N updates\n"
	"  -b, --batch             print one table after the other, without terminal control\n";

const struct command cmd_top = {
	.name = "top",
	.args = "[OPTION]...",
	.what = "show CPU time and memory of VMs, continuously",
	.help = top_help,
	.run = run_top,
};
