/* SPDX-License-Identifier: BSD-3-Clause */
/* saverun: runs the guest "lives", and saves and restores it with libdom and noxs alone, no daemon:
 * from one domain into the next, many times, or into a file and out of one. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/xen/saveguest.h"

#define WAIT_NS 60000000000ull
#define OWNER	"what the daemon wants to know again"

struct options {
	struct dom_spec spec;
	const char *image, *file, *cmdline;
	uint32_t cycles;
	bool by_pause;	/* not by its word: when all its vCPUs are blocked */
	bool save_only; /* ends when the file is there */
	bool restore;	/* begins with the file */
	bool keep;	/* the source goes on, and is asked */
	bool pipe;
	bool timings;
	bool window;
	bool whole; /* not plain: PVH: with all of Xen's records */
};

/* --- into a file and out of it --- */

static int save(struct guest *g, const struct options *o, struct err *e)
{
	struct save_source from = {.domid = g->d.domid,
				   .type = g->d.type,
				   .dev_frame = g->d.dev_frame,
				   .control_frame = g->d.control_frame,
				   .vcpus = g->d.vcpus,
				   .pages = g->d.pages,
				   .limits = o->spec.limits,
				   .frames = g->d.frames,
				   .device = g->pages,
				   .control = g->pages + 4096};
	uint64_t start = clock_ns();
	struct save_stats st;
	struct transfer t;
	uint64_t stopped;
	int fd;
	int rc = save_check(from.control, e);

	if (rc < 0)
		return rc;
	rc = o->by_pause ? guest_pause_blocked(g, e) : guest_suspend(g, e);
	stopped = clock_ns();
	if (rc < 0)
		return rc;
	if (o->whole)
		((struct noxs_control *)(void *)(g->pages + 4096))->can &= ~NOXS_CAN_PLAIN;
	guest_drain(g);
	fd = open(o->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "%s", o->file);
	rc = transfer_open(&t, fd, true, e);
	if (rc < 0)
		return rc;
	rc = save_write(g->x, &from, OWNER, sizeof(OWNER), &t, &st, e);
	transfer_close(&t);
	if (rc == 0 && o->timings)
		fprintf(stderr,
			"stop %llu us, save %llu us: %llu pages, %llu present, %llu zero, %llu "
			"untouched, "
			"%llu bytes\n",
			(unsigned long long)(stopped - start) / 1000,
			(unsigned long long)(clock_ns() - stopped) / 1000,
			(unsigned long long)st.pages, (unsigned long long)st.present,
			(unsigned long long)st.zero, (unsigned long long)st.untouched,
			(unsigned long long)st.bytes);
	return rc;
}

static int go_on(struct guest *g, const struct options *o, struct err *e)
{
	int rc = o->by_pause ? xen_domain_unpause(g->x, g->d.domid)
			     : xen_domain_resume(g->x, g->d.domid);

	return rc < 0 ? err_sys(e, -rc, "let domain %u go on", g->d.domid) : 0;
}

static int open_file(const struct options *o, struct transfer *t, struct err *e)
{
	char command[512];
	FILE *cat;
	int fd;

	if (!o->pipe) {
		fd = open(o->file, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? err_sys(e, errno, "%s", o->file) : transfer_open(t, fd, false, e);
	}
	(void)snprintf(command, sizeof(command), "cat '%s'", o->file);
	cat = popen(command, "r");
	if (!cat)
		return err_sys(e, errno, "cat");
	fd = fcntl(fileno(cat), F_DUPFD_CLOEXEC, 3);
	return transfer_open(t, fd, false, e);
}

static int fill(struct guest *g, const struct options *o, struct save_stream *s, struct err *e)
{
	struct dom_spec spec = {.cap = UINT32_MAX};
	uint64_t start = clock_ns();
	uint64_t made;
	uint64_t filled;
	struct save_stats st;
	int rc;

	if (save_info(s)->owner_bytes != sizeof(OWNER) ||
	    memcmp(save_info(s)->owner, OWNER, sizeof(OWNER)) != 0)
		return err_set(e, EPROTO, "the owner's bytes are others");
	rc = save_verify(s, e);
	if (o->timings)
		fprintf(stderr, "verify %llu us, ",
			(unsigned long long)(clock_ns() - start) / 1000);
	start = clock_ns();
	if (rc < 0)
		return rc;
	save_spec(s, &spec);
	rc = dom_prepare(g->x, &spec, NULL, &g->d, e);
	if (rc == 0 && o->window)
		rc = dom_window(g->x, &g->d, DOM_WINDOW_MAX, e);
	made = clock_ns();
	if (rc == 0)
		rc = save_restore(g->x, s, &g->d, &st, e);
	filled = clock_ns();
	if (rc == 0)
		rc = guest_connect(g, false, "", e);
	if (rc == 0)
		rc = xen_domain_unpause(g->x, g->d.domid);
	if (rc == 0 && o->timings) {
		struct pollfd p = {xen_evtchn_fd(g->x), POLLIN, 0};

		(void)poll(&p, 1, 1000);
		fprintf(stderr, "shell %llu us, restore %llu us, to its event %llu us\n",
			(unsigned long long)(made - start) / 1000,
			(unsigned long long)(filled - made) / 1000,
			(unsigned long long)(clock_ns() - filled) / 1000);
	}
	dom_window_close(g->x, &g->d);
	return rc;
}

static int restore(struct guest *g, const struct options *o, struct err *e)
{
	uint64_t start = clock_ns();
	struct save_stream *s;
	struct transfer t;
	int rc = open_file(o, &t, e);

	if (rc < 0)
		return rc;
	rc = save_open(g->x, &t, &s, e);
	if (rc == 0 && o->timings)
		fprintf(stderr, "open %llu us, ", (unsigned long long)(clock_ns() - start) / 1000);
	if (rc == 0)
		rc = fill(g, o, s, e);
	save_close(s);
	transfer_close(&t);
	return rc;
}

/* --- all of it --- */

/* The next life of *g: it is saved, ended, and restored. */
static int cycle(struct guest **g, const struct options *o, uint64_t *count, struct err *e)
{
	struct xen *x = (*g)->x;
	int rc = save(*g, o, e);

	if (rc == 0 && o->keep) {
		rc = go_on(*g, o, e);
		(void)noxs_console_put(&(*g)->con, "?", 1);
		(void)xen_evtchn_notify(x, (*g)->port);
		if (rc == 0)
			rc = guest_check_words(*g, &(uint64_t){*count}, e);
	}
	if (rc < 0 || o->save_only)
		return rc;
	guest_end(*g);
	*g = guest_new(x);
	rc = restore(*g, o, e);
	return rc < 0 ? rc : guest_check_words(*g, count, e);
}

static int run(struct xen *x, const struct options *o, struct err *e)
{
	struct guest *g = guest_new(x);
	uint64_t count = 0;
	int rc;

	if (o->restore) {
		guest_generation = 1000;
		rc = restore(g, o, e);
		if (rc == 0)
			rc = guest_check_words(g, &count, e);
	} else {
		rc = guest_boot(g, &o->spec, o->image, o->cmdline, e);
	}
	for (uint32_t i = 0; rc == 0 && i < o->cycles; i++)
		rc = cycle(&g, o, &count, e);
	guest_end(g);
	if (rc == 0)
		printf("%u cycles, count %llu\n", o->cycles, (unsigned long long)count);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {.cmdline = "",
			    .file = "saved",
			    .image = "/usr/lib/chaos/tests/lives",
			    .cycles = 1,
			    .spec = {.mem_kib = 256, .vcpus = 1, .cap = UINT32_MAX}};
	struct err e = {0};
	struct xen *x;
	int rc;
	int c;

	while ((c = getopt(argc, argv, "hm:v:n:c:i:f:psrkPtwx")) != -1) {
		switch (c) {
		case 'h':
			o.spec.type = DOM_PVH;
			break;
		case 'm':
			o.spec.mem_kib = strtoull(optarg, NULL, 0);
			break;
		case 'v':
			o.spec.vcpus = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'n':
			o.cycles = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'c':
			o.cmdline = optarg;
			break;
		case 'i':
			o.image = optarg;
			break;
		case 'f':
			o.file = optarg;
			break;
		case 'p':
			o.by_pause = true;
			break;
		case 's':
			o.save_only = true;
			break;
		case 'r':
			o.restore = true;
			o.cycles = 0;
			break;
		case 'k':
			o.keep = true;
			break;
		case 'P':
			o.pipe = true;
			break;
		case 't':
			o.timings = true;
			break;
		case 'x':
			o.whole = true;
			break;
		case 'w':
			o.window = true;
			break;
		default:
			return 2;
		}
	}
	rc = xen_open(&x, &e);
	if (rc == 0) {
		rc = run(x, &o, &e);
		xen_close(x);
	}
	if (rc < 0)
		fprintf(stderr, "saverun: %s\n", err_msg(&e));
	return rc < 0 ? 1 : 0;
}
