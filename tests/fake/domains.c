/* SPDX-License-Identifier: BSD-3-Clause */
/* base/xen.h on the fake: handles, host, domains, memory in memfds, vCPUs. */
#include "tests/fake/private.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- handles and host --- */

int xen_open(struct xen **out, struct err *e)
{
	struct xen *x;
	int rc;

	*out = NULL;
	(void)pthread_mutex_lock(&fake_lock);
	rc = fake_may_fail(__func__);
	if (rc < 0) {
		(void)fake_leave(0);
		return err_set(e, -rc, "fake: open");
	}
	x = calloc(1, sizeof(*x));
	if (!x) {
		(void)fake_leave(0);
		return err_set(e, ENOMEM, "fake: open");
	}
	x->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fake_held.handles++;
	*out = x;
	return fake_leave(0);
}

void xen_close(struct xen *x)
{
	if (!x)
		return;
	(void)pthread_mutex_lock(&fake_lock);
	for (uint32_t i = 0; i < PORTS; i++) {
		if (fake_ports[i].used && fake_ports[i].x == x) {
			fake_drop_port(&fake_ports[i]);
		}
	}
	fake_held.handles--;
	(void)close(x->fd);
	free(x);
	(void)fake_leave(0);
}

xc_interface *xen_xc(struct xen *x)
{
	(void)x;
	return NULL;
}

int xen_host_info(struct xen *x, struct xen_host *out)
{
	(void)x;
	*out = (struct xen_host){.free_pages = fake_free,
				 .total_pages = fake_free,
				 .cpus = 2,
				 .cpu_khz = 1000000,
				 .hvm = true,
				 .pv = true,
				 .version = "fake"};
	return 0;
}

static uint32_t cpu_node[FAKE_CPUS];
static uint32_t ncpu;

void fake_set_cpus(const uint32_t *node, uint32_t n)
{
	if (n)
		memcpy(cpu_node, node, n * sizeof(*node));
	ncpu = n;
}

int xen_host_cpus(struct xen *x, struct xen_cpus *out)
{
	static const uint32_t two[2];
	const uint32_t *node = ncpu ? cpu_node : two;
	uint32_t n = ncpu ? ncpu : 2;
	ENTER();

	(void)x;
	out->n = n;
	out->node = malloc(n * sizeof(*node));
	if (!out->node)
		return fake_leave(-ENOMEM);
	memcpy(out->node, node, n * sizeof(*node));
	return fake_leave(0);
}

static bool has_xsm;

void fake_set_xsm(bool xsm)
{
	has_xsm = xsm;
}

bool xen_has_xsm(struct xen *x)
{
	(void)x;
	return has_xsm;
}

int xen_free_pages(struct xen *x, uint64_t *out)
{
	(void)x;
	(void)pthread_mutex_lock(&fake_lock);
	*out = fake_free;
	return fake_leave(0);
}

/* --- domains --- */

int xen_domain_create(struct xen *x, const struct xen_domain_config *c, uint32_t *domid)
{
	ENTER();
	(void)x;
	if (c->domid && fake_find(c->domid))
		return fake_leave(-EEXIST);
	for (uint32_t i = 0; i < DOMAINS; i++) {
		struct domain *d = &fake_domains[i];

		if (d->id)
			continue;
		d->mem = memfd_create("fake-domain", MFD_CLOEXEC);
		if (d->mem < 0 || ftruncate(d->mem, (off_t)FRAMES * PAGE) < 0)
			abort();
		d->id = c->domid ? c->domid : fake_next_domid++;
		memcpy(d->uuid, c->uuid, sizeof(d->uuid));
		d->hvm = c->hvm;
		d->is.config = *c;
		d->pauses = 1;
		memset(d->affinity, 0, sizeof(d->affinity));
		fake_held.domains++;
		*domid = d->id;
		return fake_leave(0);
	}
	return fake_leave(-ENOMEM);
}

int xen_domain_max_vcpus(struct xen *x, uint32_t domid, uint32_t vcpus)
{
	ONE_DOMAIN(d->vcpus = vcpus);
}

uint32_t fake_vcpus(uint32_t domid)
{
	struct domain *d;
	uint32_t n;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	n = d ? d->vcpus : 0;
	(void)fake_leave(0);
	return n;
}

int xen_domain_max_mem(struct xen *x, uint32_t domid, uint64_t kib)
{
	ONE_DOMAIN(d->is.max_kib = kib);
}

int xen_domain_destroy(struct xen *x, uint32_t domid, const uint8_t uuid[16])
{
	struct domain *d;

	(void)x;
	(void)pthread_mutex_lock(&fake_lock);
	fake_while_held(domid);
	d = fake_find(domid);
	if (d && memcmp(d->uuid, uuid, sizeof(d->uuid)) != 0)
		d = NULL;
	if (d)
		fake_remove(d);
	return fake_leave(d ? 0 : -ESRCH);
}

int xen_domain_set_uuid(struct xen *x, uint32_t domid, const uint8_t uuid[16])
{
	ONE_DOMAIN(memcpy(d->uuid, uuid, sizeof(d->uuid)));
}

void (*fake_at_pause)(uint32_t domid);

int xen_domain_pause(struct xen *x, uint32_t domid)
{
	if (fake_at_pause)
		fake_at_pause(domid);
	ONE_DOMAIN(d->pauses++);
}

int xen_domain_unpause(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN({
		d->pauses -= d->pauses > 0;
		d->bound = true;
		d->ran++;
		fake_to_gate(d);
	});
}

void fake_busy(uint32_t domid, bool busy)
{
	struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d)
		d->busy = busy;
	(void)fake_leave(0);
}

void fake_spend(uint32_t domid, uint64_t us)
{
	struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d)
		d->ran += us;
	(void)fake_leave(0);
}

static void describe(const struct domain *d, struct xen_domain_info *out)
{
	*out = (struct xen_domain_info){.domid = d->id,
					.hvm = d->hvm,
					.paused = d->pauses > 0,
					.blocked = d->bound && !d->shutdown && !d->busy,
					.shutdown = d->shutdown,
					.shutdown_reason = d->reason,
					.vcpus = 1,
					.cpu_ns = 1000 * (1 + d->ran),
					.pages = d->is.pages,
					.shared_info_mfn = SHARED_INFO};
	memcpy(out->uuid, d->uuid, sizeof(out->uuid));
}

int xen_domain_info(struct xen *x, uint32_t domid, struct xen_domain_info *out)
{
	ONE_DOMAIN(describe(d, out));
}

int xen_domain_list(struct xen *x, uint32_t from, uint32_t max, struct xen_domain_info *out)
{
	uint32_t n = 0;
	ENTER();
	(void)x;
	while (n < max) {
		const struct domain *next = NULL;

		for (uint32_t i = 0; i < DOMAINS; i++) {
			const struct domain *d = &fake_domains[i];

			if (d->id >= from && d->id && (!next || d->id < next->id))
				next = d;
		}
		if (!next)
			break;
		describe(next, &out[n++]);
		from = next->id + 1;
	}
	return fake_leave((int)n);
}

int xen_vcpu_affinity(struct xen *x, uint32_t domid, uint32_t vcpu, const uint8_t *map,
		      size_t bytes)
{
	ONE_DOMAIN({
		if (vcpu < FAKE_VCPUS && bytes)
			d->affinity[vcpu] = map[0];
	});
}

uint8_t fake_affinity(uint32_t domid, uint32_t vcpu)
{
	struct domain *d;
	uint8_t map;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	map = d && vcpu < FAKE_VCPUS ? d->affinity[vcpu] : 0;
	(void)fake_leave(0);
	return map;
}

/* --- memory --- */

static void make_dirty(const struct domain *d, xen_pfn_t frame, uint32_t n)
{
	size_t bytes = (size_t)n * PAGE;
	void *at =
		mmap(NULL, bytes, PROT_WRITE, MAP_SHARED, d->mem, (off_t)(frame % FRAMES * PAGE));

	if (at == MAP_FAILED)
		abort();
	memset(at, FAKE_DIRT, bytes);
	(void)munmap(at, bytes);
}

int xen_populate(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames)
{
	if ((uint64_t)n << order > fake_free)
		return -ENOMEM;
	ONE_DOMAIN({
		d->is.pages += (uint64_t)n << order;
		fake_held.populated_pages += n << order;
		/* PV: machine frame = guest frame */
		for (uint32_t i = 0; fake_dirty && i < n; i++)
			make_dirty(d, frames[i], 1u << order);
		fake_free -= (uint64_t)n << order;
	});
}

int xen_populate_later(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames)
{
	(void)frames;
	ONE_DOMAIN(d->is.later += (uint64_t)n << order);
}

int xen_claim(struct xen *x, uint32_t domid, uint64_t pages)
{
	if (pages > fake_free)
		return -ENOMEM;
	ONE_DOMAIN();
}

int xen_set_aside(struct xen *x, uint32_t domid, uint64_t pages)
{
	if (pages > fake_free)
		return -ENOMEM;
	ONE_DOMAIN({
		d->is.pages += pages;
		fake_free -= pages;
		fake_held.populated_pages += (uint32_t)pages;
	});
}

int xen_add_to_physmap(struct xen *x, uint32_t domid, uint32_t space, uint64_t idx, uint64_t gfn)
{
	(void)space;
	(void)idx;
	(void)gfn;
	ONE_DOMAIN();
}

int xen_set_memory_map(struct xen *x, uint32_t domid, const struct e820entry *map, uint32_t n)
{
	ONE_DOMAIN({
		d->is.ram_kib = 0;
		for (uint32_t i = 0; i < n; i++)
			d->is.ram_kib += map[i].type == 1 ? map[i].size / 1024 : 0;
	});
}

int xen_set_paging_pool(struct xen *x, uint32_t domid, uint64_t bytes)
{
	(void)bytes;
	ONE_DOMAIN();
}

int xen_map(struct xen *x, uint32_t domid, bool writable, uint32_t n, const xen_pfn_t *frames,
	    void **out)
{
	struct domain *d;
	uint8_t *at;

	*out = NULL;
	ENTER();
	(void)x;
	(void)writable;
	d = fake_find(domid);
	if (!d)
		return fake_leave(-ESRCH);
	at = mmap(NULL, (size_t)n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return fake_leave(-ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		if (mmap(at + (size_t)i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, d->mem,
			 (off_t)(frames[i] % FRAMES * PAGE)) == MAP_FAILED) {
			(void)munmap(at, (size_t)n * PAGE);
			return fake_leave(-ENOMEM);
		}
	fake_held.mapped_pages += n;
	if (n == 2)
		memcpy(d->two, frames, sizeof(d->two));
	*out = at;
	return fake_leave(0);
}

void xen_unmap(struct xen *x, void *addr, uint32_t n)
{
	(void)x;
	if (!addr)
		return;
	(void)pthread_mutex_lock(&fake_lock);
	(void)munmap(addr, (size_t)n * PAGE);
	fake_held.mapped_pages -= n;
	(void)fake_leave(0);
}

/* --- vCPUs --- */

int xen_cpuid_default(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN();
}

int xen_tsc_default(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN();
}
