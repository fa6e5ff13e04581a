package hardship

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

func TestSkipped_WhatTheLadderLeavesOut(t *testing.T) {
	for name, c := range map[string]struct {
		at      Standing
		command string
		want    string
	}{
		"referred at once":              {Standing{State: Consented}, Refer, "relief"},
		"referred before the decision":  {Standing{State: Relief}, Refer, "relief decision"},
		"referred after it":             {Standing{State: ReliefDecided, Decision: NotGranted}, Refer, ""},
		"mutual aid at once":            {Standing{State: Consented}, OpenMutual, "relief, referral"},
		"mutual aid after the decision": {Standing{State: ReliefDecided, Decision: Partly}, OpenMutual, "referral"},
		"mutual aid after the referral": {Standing{State: Referred}, OpenMutual, ""},
		"closed before the visit":       {Standing{State: Opened}, Close, "visit, consent"},
		"closed without being asked":    {Standing{State: Visited}, Close, "consent"},
		"closed with full relief":       {Standing{State: ReliefDecided, Decision: Granted}, Close, ""},
		"closed with partial relief":    {Standing{State: ReliefDecided, Decision: Partly}, Close, "referral, mutual aid"},
		"closed without what was given": {Standing{State: Referred}, Close, "mutual aid"},
		"closed with what was given":    {Standing{State: Referred, Aided: true}, Close, ""},
		"closed at the end":             {Standing{State: MutualAid}, Close, ""},
		"closed after a refusal":        {Standing{State: Refused}, Close, ""},
	} {
		skipped := Skipped(c.at, c.command)
		if got := strings.Join(skipped, ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if err := CheckSkip(skipped, " 略 "); (err != nil) != (c.want != "") {
			t.Errorf("%s without a reason: %v", name, err)
		}
		if err := CheckSkip(skipped, "病情紧急,先行转介"); err != nil {
			t.Errorf("%s with a reason: %v", name, err)
		}
	}
}

func TestCheckGiver(t *testing.T) {
	for name, c := range map[string]struct {
		at Standing
		g  Giver
		ok bool
	}{
		"relief not decided":        {Standing{State: Relief}, Government, false},
		"relief granted":            {Standing{State: ReliefDecided, Decision: Granted}, Government, true},
		"relief granted late":       {Standing{State: Referred, Decision: Partly}, Government, true},
		"relief refused":            {Standing{State: ReliefDecided, Decision: NotGranted}, Government, false},
		"charity without referral":  {Standing{State: ReliefDecided, Decision: Granted}, Charity, false},
		"charity":                   {Standing{State: Referred}, Charity, true},
		"group after the opening":   {Standing{State: MutualAid}, CommunityGroup, true},
		"neighbours before":         {Standing{State: Referred}, Neighbours, false},
		"neighbours":                {Standing{State: MutualAid}, Neighbours, true},
		"anything of a closed case": {Standing{State: Closed, Decision: Granted}, Government, false},
		"nobody":                    {Standing{State: MutualAid}, 0, false},
	} {
		if err := CheckGiver(c.at, c.g); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckPublic(t *testing.T) {
	for text, want := range map[string]string{
		"大米2袋":                       "",
		"一次性手套5盒":                    "",
		"每周三下午陪同复诊":                  "",
		"儿童棉衣 3 件":                   "",
		"接送去医院 2 小时":                 "",
		"轮椅一辆":                       "",
		"电话13874801234":              noPhone,
		"1 3 8-7480-1234":            noPhone,
		"13874801234":                noPhone,
		"一三八七四八零一二三四":                noPhone,
		"幺三八七四八零幺二三四":                noPhone,
		"0731-84441234":              noPhone,
		"6222021901234567890":        noAccount,
		"62220 21901 23456 7890":     noAccount,
		"430103197207155487":         noAccount,
		"差500元":                      noAmount,
		"5 0 0 元":                    noAmount,
		"五百元":                        noAmount,
		"伍佰元":                        noAmount,
		"每年数万元":                      noAmount,
		"几千块钱":                       noAmount,
		"¥300":                       noAmount,
		"还缺3万":                       noAmount,
		"人民币":                        noAmount,
		"请扫二维码":                      noPayment,
		"微 信 转 账":                    noPayment,
		"支.付.宝":                      noPayment,
		"AliPay":                     noPayment,
		"银行卡":                        noPayment,
		"给杨女士的米":                     noName,
		"帮帮王大爷":                      noName,
		"赵某家用":                       noName,
		"给丁香香买的":                     noName,
		fullWidth("13874801234"):     noPhone,
		"差" + fullWidth("500") + "元": noAmount,
		fullWidth("AliPay"):          noPayment,
		"\uffe5300":                  noAmount,
	} {
		err := CheckPublic("goods[0].name", text, []string{"丁香香", "香"})
		var e *rule.Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && !errors.As(err, &e):
			t.Errorf("%q is taken, want %s", text, want)
		case want != "" && (e.Reason != "INVALID_FIELD" || e.Field != "goods[0].name" || e.Params[3] != want):
			t.Errorf("%q: %v, want %s", text, e, want)
		}
	}
}

// fullWidth writes ASCII in the letters of Chinese input methods.
func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r - '!' + '\uff01' }, s)
}

// A number that somebody hides among other characters is found however it is
// cut.
func TestCheckPublic_CutNumbersAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`1[3-9][0-9]{9}`).Draw(t, "phone")
		var b strings.Builder
		for _, d := range digits {
			b.WriteRune(d)
			b.WriteString(rapid.SampledFrom([]string{"", " ", "-", "\u200b", "·", "、"}).Draw(t, "between"))
		}
		text := rapid.SampledFrom([]string{"", "大米", "陪诊 "}).Draw(t, "before") + b.String()
		if CheckPublic("note", text, nil) == nil {
			t.Fatalf("%q is taken", text)
		}
	})
}

// Whatever is tried, nothing of the ladder is left out in silence, help comes
// after consent, and a case that is refused or closed takes nothing more.
func TestMachine_RandomWays(t *testing.T) {
	m := Machine()
	commands := []string{Visit, Consent, Refuse, AskRelief, DecideRelief, Refer, OpenMutual, Close}
	rapid.Check(t, func(t *rapid.T) {
		at := Standing{State: Opened}
		asked, consented, explained := false, false, map[string]bool{}
		climbed := map[string]bool{}
		for range 30 {
			command := rapid.SampledFrom(commands).Draw(t, "command")
			next, err := m.Next(at.State, command)
			if err != nil {
				continue
			}
			if command == DecideRelief {
				if CheckDecision(asked, at.Decision) != nil {
					continue
				}
				at.Decision = Decision(rapid.Int32Range(1, 3).Draw(t, "decision"))
				climbed[RungDecision] = true
			}
			for _, s := range Skipped(at, command) {
				explained[s] = true
			}
			switch command {
			case Consent:
				consented = true
			case AskRelief:
				asked, climbed[RungRelief] = true, true
			case Refer:
				climbed[RungReferral] = true
			}
			at.State = next
			checkStanding(t, at, consented, climbed, explained)
		}
	})
}

func checkStanding(t *rapid.T, at Standing, consented bool, climbed, explained map[string]bool) {
	helped := at.State == Relief || at.State == ReliefDecided || at.State == Referred || at.State == MutualAid
	if helped && !consented {
		t.Fatalf("help without consent: %v", at.State)
	}
	if (at.State == Referred || at.State == MutualAid) && !climbed[RungRelief] && !explained[RungRelief] {
		t.Fatalf("%v without relief and without a reason", at.State)
	}
	if at.State == MutualAid && !climbed[RungReferral] && !explained[RungReferral] {
		t.Fatal("mutual aid without referral and without a reason")
	}
	if at.State == Closed && len(Machine().Allowed(Closed)) != 0 {
		t.Fatal("a closed case takes a step")
	}
	if at.State == Closed && !consented && !climbed[RungRelief] && helped {
		t.Fatal("closed with help that nobody wanted")
	}
}
