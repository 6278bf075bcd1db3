/* SPDX-License-Identifier: BSD-3-Clause */
/* domrun: boots one guest with libdom and noxs alone, no daemon: the libraries' own proof on Xen.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdom/libdom.h"

#include <xen/sched.h>

#include "base/clock.h"
#include "noxs/control.h"
#include "noxs/page.h"

#define WAIT_MS 60000

struct options {
	const char *image, *ramdisk, *cmdline;
	struct dom_spec spec;
	bool shell, timings;
};

static int run(struct xen *x, const struct options *o, struct err *e)
{
	struct dom_module mod = {.fd = -1, .name = o->ramdisk};
	struct dom_load load = {.cmdline = o->cmdline};
	struct image *img = NULL;
	struct noxs_control_end con;
	struct noxs_page copy;
	struct dom d;
	void *pages = NULL;
	uint32_t port = 0;
	uint64_t start = 0;
	uint64_t ready = 0;
	int fd = open(o->image, O_RDONLY | O_CLOEXEC);
	int rc;

	dom_init(&d);
	if (fd < 0)
		return err_sys(e, errno, "%s", o->image);
	if (o->ramdisk) {
		mod.fd = open(o->ramdisk, O_RDONLY | O_CLOEXEC);
		if (mod.fd < 0)
			return err_sys(e, errno, "%s", o->ramdisk);
		load.module = &mod;
		load.nmodule = 1;
	}
	rc = image_open(fd, o->image, "/tmp", &img, e);
	start = clock_ns();
	if (rc == 0)
		rc = dom_prepare(x, &o->spec, o->shell ? NULL : img, &d, e);
	if (rc == 0)
		rc = xen_evtchn_alloc(x, d.domid, 0, &load.console_port);
	if (rc == 0)
		rc = dom_load(x, &d, img, &load, e);
	if (rc == 0)
		rc = xen_evtchn_bind(x, d.domid, load.console_port, &port);
	if (rc == 0)
		rc = xen_map(x, d.domid, true, 2, (xen_pfn_t[]){d.dev_frame, d.control_frame},
			     &pages);
	if (rc < 0 || !pages)
		goto out;
	memset(pages, 0, 8192); /* as they came */
	noxs_control_init(&con, (char *)pages + 4096);
	if (image_info(img)->noxs) {
		struct noxs_facts f = {.pv = d.type == DOM_PV,
				       .domid = d.domid,
				       .vcpus = d.vcpus,
				       .mem_pages = d.pages,
				       .shared_info_gfn = d.shared_info_gfn,
				       .control_gfn = d.control_gfn,
				       .page_table_gfn = d.page_table_gfn,
				       .page_table_pages = d.page_table_pages,
				       .image_end_gfn = d.image_end_gfn,
				       .control_port = load.console_port,
				       .entry = d.entry,
				       .cmdline = o->cmdline};
		rc = noxs_page_fill(&copy, &f, e);
		if (rc == 0)
			noxs_page_show(pages, &copy);
	}
	if (rc == 0)
		rc = dom_arm(x, &d, img, e);
	if (rc == 0)
		rc = xen_domain_unpause(x, d.domid);
	while (rc == 0) {
		struct pollfd p = {xen_evtchn_fd(x), POLLIN, 0};
		struct xen_domain_info info;
		struct noxs_guest_words w;
		uint32_t which;
		char buf[2048];
		bool over;
		int n;

		if (clock_ns() - start > WAIT_MS * 1000000ull) {
			rc = err_set(e, ETIMEDOUT, "no end within %d ms", WAIT_MS);
			break;
		}
		(void)poll(&p, 1, 100);
		if (xen_evtchn_pending(x, &which) == 0)
			(void)xen_evtchn_unmask(x, which);
		/* before what it has left behind */
		over = xen_domain_info(x, d.domid, &info) == 0 && info.shutdown;
		noxs_control_words(&con, &w);
		if (image_info(img)->noxs && w.state == NOXS_STATE_READY && !ready)
			ready = clock_ns();
		n = noxs_console_take(&con, buf, sizeof(buf));
		if (n > 0) {
			(void)fwrite(buf, 1, (size_t)n, stdout);
			(void)fflush(stdout);
			noxs_console_release(&con);
			(void)xen_evtchn_notify(x, port);
		}
		if (n == 0 && over) {
			rc = info.shutdown_reason == SHUTDOWN_poweroff
				     ? (int)w.exit_code
				     : 100 + (int)info.shutdown_reason;
			break;
		}
	}
	if (o->timings) {
		for (int i = 0; i < DOM_T_COUNT; i++)
			fprintf(stderr, "%s %u, ", dom_phase_name(i), d.phase_ns[i] / 1000);
		fprintf(stderr, "ready after %llu us\n",
			(unsigned long long)(ready - start) / 1000);
	}
out:
	if (rc < 0 && e->code == 0)
		(void)err_sys(e, -rc, "Xen");
	xen_unmap(x, pages, 2);
	if (port)
		(void)xen_evtchn_unbind(x, port);
	(void)dom_destroy(x, &d, NULL);
	image_put(img);
	(void)close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {.cmdline = "", .spec = {.mem_kib = 256, .vcpus = 1, .cap = UINT32_MAX}};
	struct err e = {0};
	struct xen *x;
	int rc;
	int c;

	while ((c = getopt(argc, argv, "hm:v:r:c:sd:t")) != -1) {
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
		case 'r':
			o.ramdisk = optarg;
			break;
		case 'c':
			o.cmdline = optarg;
			break;
		case 's':
			o.shell = true;
			break;
		case 't':
			o.timings = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: domrun [-h] [-s] [-t] [-m KIB] [-v VCPUS] [-r RAMDISK] [-c "
				"CMDLINE] IMAGE\n");
		return 2;
	}
	o.image = argv[optind];
	rc = xen_open(&x, &e);
	if (rc == 0) {
		rc = run(x, &o, &e);
		xen_close(x);
	}
	if (rc < 0)
		fprintf(stderr, "domrun: %s\n", err_msg(&e));
	return rc < 0 ? 1 : rc;
}
