package config_test

import (
	"fmt"
	"time"

	"gatehouse/internal/config"
)

type doorSettings struct {
	AppEnv  string        `env:"APP_ENV" envDefault:"production" doc:"Mode"`
	Timeout time.Duration `env:"DOOR_TIMEOUT" envDefault:"5s" doc:"How long the door stays open"`
	Key     config.Secret `env:"DOOR_KEY" doc:"Key of the door"`
}

func (s *doorSettings) Validate(m *config.Mistakes) {
	m.Mode(s.AppEnv)
	m.Strong("DOOR_KEY", s.Key)
}

func ExampleLoad() {
	var s doorSettings
	err := config.Load(&s, []string{"DOOR_KEY=pV7qLx2mN9tRc4Wz8sYb1KdF6hGj3QeU", "DOOR_TIMEOUT=1m"})
	fmt.Println(s.Timeout, s.Key, err)
	// Output: 1m0s (secret) <nil>
}

func ExampleLoad_mistakes() {
	var s doorSettings
	err := config.Load(&s, []string{"DOOR_KEY=letmein", "DOOR_TIMEOUT=soon"})
	fmt.Println(err)
	// Output:
	// 2 settings are wrong:
	//   DOOR_TIMEOUT is "soon"; a duration such as 10s is wanted
	//   DOOR_KEY has 7 bytes; at least 32 random bytes are wanted (make one with: openssl rand -base64 48)
}
