/* SPDX-License-Identifier: BSD-3-Clause */
/* From any of the three entries to guest_main(): finds the pages, the port and the command line. */
#include "kit.h"

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "hypercall.h"

struct kit kit;

#define BIND_AGAIN_NS 10000000u

/* After the tables of entry.S: RAM that exists only with a standard entry, and is not used. */
#define SHARED_INFO_AT 0x205000ull

/* PV: Xen's table from machine to guest frames (Xen public/arch-x86/xen-x86_64.h). */
static void *of_machine(uint64_t mfn)
{
	const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;

	return (void *)(m2p[mfn] * PAGE_SIZE);
}

/* Fails if dom0's end was just closed: the daemon was restarted, and will write another port. */
static void bind_control(volatile struct noxs_page *page)
{
	struct sched_poll pause = {.nr_ports = 0};
	struct evtchn_bind_interdomain bind = {
		.remote_dom = (domid_t)page->control.remote_domid,
		.remote_port = page->control.remote_port,
	};

	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind) == 0) {
		kit.port = bind.local_port;
		return;
	}
	pause.timeout = kit_xen_ns() + BIND_AGAIN_NS;
	(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &pause);
}

/* Before the gate is open, only the channel in the page is valid. */
static void wait_at_gate(volatile struct noxs_page *page)
{
	evtchn_port_t port;
	struct sched_poll poll = {.nr_ports = 1};

	kit_find_port();
	port = kit.port;
	set_xen_guest_handle(poll.ports, &port);
	__atomic_store_n(&kit.control->waits, NOXS_WAITS, __ATOMIC_RELEASE);
	kit_notify();
	for (;;) {
		(void)__atomic_fetch_and(&kit.shared->evtchn_pending[port / 64],
					 ~(1ul << (port % 64)), __ATOMIC_ACQ_REL);
		if (__atomic_load_n(&page->gate, __ATOMIC_ACQUIRE) == NOXS_GATE_OPEN)
			return;
		(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
	}
}

static void from_device_page(volatile struct noxs_page *page)
{
	kit.page = page;
	kit.pv = page->flags & NOXS_FLAG_PV;
	kit.control = (volatile struct noxs_control *)(page->control_gfn * PAGE_SIZE);
	kit.shared = (volatile struct shared_info *)(page->shared_info_gfn * PAGE_SIZE);
	kit.cmdline = (const char *)(uintptr_t)page->cmdline;
	if (page->flags & NOXS_FLAG_GATE)
		wait_at_gate(page);
	else
		kit_find_port();
	kit.generation = page->generation;
	kit_can_save();
}

void kit_find_port(void)
{
	kit.port = kit.page->control.local_port;
	while (kit.port == 0)
		bind_control(kit.page);
}

/* Standard entries: the device page is in the place of the store ring, if there is one. */
static void look_for_page(void *at)
{
	volatile struct noxs_page *page = at;

	if (page->magic != NOXS_MAGIC) {
		kit.store = at;
		return;
	}
	kit.page = page;
	kit.generation = page->generation;
}

static void from_start_info(struct start_info *info)
{
	kit.pv = true;
	kit.control = of_machine(info->console.domU.mfn);
	kit.port = info->console.domU.evtchn;
	kit.cmdline = (const char *)info->cmd_line;
	kit.store_port = info->store_evtchn;
	look_for_page(of_machine(info->store_mfn));
	kit.shared = (volatile struct shared_info *)SHARED_INFO_AT;
	(void)hypercall(__HYPERVISOR_update_va_mapping, SHARED_INFO_AT, info->shared_info | 7,
			UVMF_INVLPG, 0);
}

static uint64_t hvm_param(uint32_t index)
{
	struct xen_hvm_param p = {.domid = DOMID_SELF, .index = index};

	return hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, &p) == 0 ? p.value : 0;
}

static void fill_hypercall_page(void)
{
	uint32_t base;
	uint32_t a;
	uint32_t b;
	uint32_t c;
	uint32_t d;
	uint64_t at = (uint64_t)hypercall_page;

	for (base = 0x40000000; base < 0x40010000; base += 0x100) {
		__asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(base), "2"(0));
		if (b == 0x566e6558 && c == 0x65584d4d && d == 0x4d4d566e) /* "XenVMMXenVMM" */
			break;
	}
	__asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(base + 2), "2"(0));
	__asm__ volatile("wrmsr" : : "c"(b), "a"((uint32_t)at), "d"((uint32_t)(at >> 32)));
}

static void from_hvm_start_info(const struct hvm_start_info *info)
{
	struct xen_add_to_physmap place = {
		.domid = DOMID_SELF,
		.space = XENMAPSPACE_shared_info,
		.gpfn = SHARED_INFO_AT / PAGE_SIZE,
	};

	fill_hypercall_page();
	kit.control =
		(volatile struct noxs_control *)(hvm_param(HVM_PARAM_CONSOLE_PFN) * PAGE_SIZE);
	kit.port = (uint32_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
	kit.store_port = (uint32_t)hvm_param(HVM_PARAM_STORE_EVTCHN);
	if (hvm_param(HVM_PARAM_STORE_PFN))
		look_for_page((void *)(hvm_param(HVM_PARAM_STORE_PFN) * PAGE_SIZE));
	kit.cmdline = info->cmdline_paddr ? (const char *)info->cmdline_paddr : "";
	kit.shared = (volatile struct shared_info *)SHARED_INFO_AT;
	(void)hypercall2(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &place);
}

void kit_start(void *info, enum kit_entry entry)
{
	kit.entry = entry;
	kit.info = info;
	if (entry == KIT_DIRECT)
		from_device_page(info);
	else if (entry == KIT_START_INFO)
		from_start_info(info);
	else
		from_hvm_start_info(info);
	kit_listen(kit.port);
	kit.out_prod = kit.control->out_prod;
	kit.in_cons = kit.control->in_cons;
	kit.start_ns = kit_time_ns();
	kit_shutdown(SHUTDOWN_poweroff, (uint32_t)guest_main());
}
