/* SPDX-License-Identifier: BSD-3-Clause */
/* More vCPUs, by Xen's VCPUOP calls, which PV and PVH share. */
#include "kit.h"

#include <xen/hvm/hvm_vcpu.h>
#include <xen/vcpu.h>

#include "hypercall.h"

struct start {
	void (*fn)(void *arg);
	void *arg;
	uint64_t id;
};

/* The new vCPU's first C: its start record lies on top of its stack. */
static void run(struct start *s)
{
	s->fn(s->arg);
	for (;;)
		(void)hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, s->id, 0, 0);
}

static uint64_t this_cr3(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3)); /* PV: Xen answers with the machine frame */
	return cr3;
}

static long initialise_pv(uint32_t id, uint64_t rsp, uint64_t arg)
{
	static struct vcpu_guest_context c;

	c.flags = VGCF_in_kernel;
	c.user_regs.rip = (uint64_t)run;
	c.user_regs.rdi = arg;
	c.user_regs.rsp = rsp;
	c.user_regs.cs = (uint16_t)FLAT_KERNEL_CS;
	c.user_regs.ss = (uint16_t)FLAT_KERNEL_SS;
	c.kernel_ss = FLAT_KERNEL_SS;
	c.user_regs.rflags = 0x200;
	c.kernel_sp = rsp;
	c.ctrlreg[3] = this_cr3();
	return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, id, (uint64_t)&c, 0);
}

static long initialise_hvm(uint32_t id, uint64_t rsp, uint64_t arg)
{
	static struct vcpu_hvm_context c;
	struct vcpu_hvm_x86_64 *r = &c.cpu_regs.x86_64;

	c.mode = VCPU_HVM_MODE_64B;
	r->rip = (uint64_t)run;
	r->rdi = arg;
	r->rsp = rsp;
	r->rflags = 2;
	r->cr0 = 0x80000011;
	r->cr3 = this_cr3();
	r->cr4 = 0x620;
	r->efer = 0x501;
	return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, id, (uint64_t)&c, 0);
}

int kit_vcpu_start(uint32_t id, void (*fn)(void *arg), void *arg, void *stack_top)
{
	struct start *s = (struct start *)((uintptr_t)stack_top & ~15ull) - 2;
	uint64_t rsp = ((uint64_t)s & ~15ull) - 8; /* as if called */
	long rc;

	s->fn = fn;
	s->arg = arg;
	s->id = id;
	rc = kit.pv ? initialise_pv(id, rsp, (uint64_t)s) : initialise_hvm(id, rsp, (uint64_t)s);
	if (rc == 0)
		rc = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, id, 0, 0);
	return (int)rc;
}
